// What shells are told once: to ask this program. They quote what they insert themselves; nothing of it is evaluated.

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

const BASH = `# bash completion of supervisor; for example: source <(supervisor completion bash)
_supervisor() {
  local line quoted
  COMPREPLY=()
  while IFS= read -r line; do
    printf -v quoted %q "$line"
    COMPREPLY+=("$quoted")
  done < <("\${COMP_WORDS[0]}" __complete bash -- "\${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -F _supervisor supervisor wgs
`;

const ZSH = `#compdef supervisor wgs
# zsh completion of supervisor; for example: source <(supervisor completion zsh)
_supervisor() {
  local -a found
  found=("\${(@f)$("\${(Q)words[1]}" __complete zsh -- "\${(@Q)words[1,CURRENT]}" 2>/dev/null)}")
  found=("\${(@)found:#}")
  (( $#found )) && compadd -a found
}
if (( $+functions[compdef] )); then compdef _supervisor supervisor wgs; fi
`;

const FISH = `# fish completion of supervisor; for example: supervisor completion fish | source
function __supervisor_complete
  set -l before (commandline -opc)
  $before[1] __complete fish -- $before (commandline -ct) 2>/dev/null
end
complete -c supervisor -f -a '(__supervisor_complete)'
complete -c wgs -f -a '(__supervisor_complete)'
`;

/** The script that a shell sources. */
export function completionScript(shell: Shell): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell];
}
