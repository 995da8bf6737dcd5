// What stands around every screen: the way to the others, how fresh this is, what was done, and what to make sure of.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { OverviewReport } from '../domain/overview.ts';
import { useAnswer, useApp, useCell, useNow } from './app.ts';
import { after, copy } from './browser.ts';
import { KEY_HELP } from './keys.ts';
import { Glyph } from './parts.tsx';
import { routeTo, type Screen } from './route.ts';
import { clockText, counted, plainText, spanText } from './words.ts';

const PLACES: readonly (readonly [Screen, string, string])[] = [
  ['home', 'Home', 'h'],
  ['worktrees', 'Worktrees', 'w'],
  ['tasks', 'Tasks', 't'],
  ['runs', 'Runs', 'r'],
  ['capacity', 'Capacity', 'c'],
  ['schedules', 'Schedules', 's'],
];

export function Shell({ children }: { readonly children: ComponentChildren }) {
  const app = useApp();
  const { kind } = useCell(app.live.link);
  return (
    <div class={`shell is-${kind}`}>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <Rail />
      <main id="main" tabIndex={-1}>
        {children}
      </main>
      <Foot />
      <NewerBox />
      <NoticeBox />
      <DoubtBox />
      <HelpBox />
    </div>
  );
}

function Rail() {
  const app = useApp();
  const { screen } = useCell(app.route);
  const { data } = useAnswer<OverviewReport>('/api/overview');
  const waiting = data?.inbox.length ?? 0;
  useEffect(() => {
    document.title = waiting > 0 ? `(${waiting}) workgraph` : 'workgraph';
  }, [waiting]);
  const current = screen === 'task' || screen === 'graph' ? 'tasks' : screen;
  return (
    <nav aria-label="Screens">
      <a class="mark" href={routeTo('home')}>
        <svg viewBox="0 0 24 24" aria-hidden="true">
          <path d="M6 5.500 12 12M18 5.500 12 12M12 12v7" />
          <circle cx="6" cy="5" r="2.600" />
          <circle cx="18" cy="5" r="2.600" />
          <circle cx="12" cy="19" r="2.600" class="lit" />
        </svg>
        <span>workgraph</span>
      </a>
      <ul>
        {PLACES.map(([name, label, key]) => (
          <li key={name}>
            <a
              href={routeTo(name)}
              aria-current={name === current ? 'page' : undefined}
              title={`${label} (g ${key})`}
            >
              <Glyph name={name} />
              <span>{label}</span>
              {name === 'home' && waiting > 0 ? (
                <b class="pip" title={counted(waiting, 'thing needs you', 'things need you')}>
                  {waiting}
                </b>
              ) : null}
            </a>
          </li>
        ))}
      </ul>
      {data ? <Facts overview={data} /> : null}
    </nav>
  );
}

function Facts({ overview }: { readonly overview: OverviewReport }) {
  const now = useNow();
  const { supervisor, worktrees, repositories } = overview;
  const since = supervisor.started_at === null ? null : now - Date.parse(supervisor.started_at);
  return (
    <p class="facts">
      <a href={routeTo('worktrees')}>
        {counted(repositories, 'repository', 'repositories')} · {counted(worktrees.length, 'worktree')}
      </a>
      <span>{since === null ? supervisor.state : `up ${spanText(since)}`}</span>
    </p>
  );
}

/** How fresh this is, in words. */
function Foot() {
  const app = useApp();
  const link = useCell(app.live.link);
  const hovered = useCell(app.hovered);
  const now = useNow();
  const isOld = link.kind === 'gone';
  return (
    <footer class={`is-${link.kind}`}>
      <p role="status" class="fresh">
        <i class="lamp" aria-hidden="true" />
        {link.kind === 'live' ? 'live' : null}
        {link.kind === 'connecting' ? 'connecting…' : null}
        {link.kind === 'asleep' ? 'asleep' : null}
        {link.kind === 'over' ? 'the session has ended' : null}
        {isOld ? `the supervisor is gone since ${clockText(link.since, now)}: what you see is of then` : null}
      </p>
      <p class="hint">
        {hovered === '' ? (
          <button type="button" class="quiet" onClick={() => app.isHelpOpen.set(true)}>
            <kbd>?</kbd> keys
          </button>
        ) : (
          <code>$ {plainText(hovered, 300)}</code>
        )}
      </p>
    </footer>
  );
}

/** Another build of the page is served: it is loaded at once, unless something typed would be lost. */
function NewerBox() {
  const app = useApp();
  const isNewer = useCell(app.live.isNewer);
  useEffect(() => {
    if (isNewer && !isTyping()) location.reload();
  }, [isNewer]);
  if (!isNewer) return null;
  return (
    <p class="newer" role="status">
      The supervisor was upgraded.{' '}
      <button type="button" class="button" onClick={() => location.reload()}>
        Load the new page
      </button>
    </p>
  );
}

function isTyping(): boolean {
  const fields = [...document.querySelectorAll<HTMLInputElement>('input[type=text]')];
  return document.querySelector('dialog[open]') !== null || fields.some(({ value }) => value !== '');
}

const NOTICE_MS = 8000;

function NoticeBox() {
  const app = useApp();
  const notice = useCell(app.notice);
  useEffect(() => (notice ? after(NOTICE_MS, () => app.notice.set(null)) : undefined), [notice]);
  return (
    <div class="notices" role="status" aria-live="polite">
      {notice ? (
        <div class={`notice ${notice.isBad ? 'is-bad' : ''}`}>
          <p>{notice.text}</p>
          {notice.command === '' ? null : <CommandLine command={notice.command} />}
          <button type="button" class="quiet close" aria-label="Dismiss" onClick={() => app.notice.set(null)}>
            <Glyph name="failed" />
          </button>
        </div>
      ) : null}
    </div>
  );
}

/** A command to take along. */
export function CommandLine({ command }: { readonly command: string }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => (isCopied ? after(1500, () => setCopied(false)) : undefined), [isCopied]);
  const take = async () => setCopied(await copy(command));
  return (
    <span class="command-line">
      <code>$ {plainText(command, 400)}</code>
      <button type="button" class="quiet" onClick={() => void take()}>
        {isCopied ? 'copied' : 'copy'}
      </button>
    </span>
  );
}

/** A dialog that is open while it has something to say. */
function Dialog(props: {
  readonly label: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (props.isOpen && !box.current?.open) box.current?.showModal();
    if (!props.isOpen) box.current?.close();
  }, [props.isOpen]);
  return (
    <dialog ref={box} aria-label={props.label} onClose={props.onClose}>
      {props.isOpen ? props.children : null}
    </dialog>
  );
}

function DoubtBox() {
  const app = useApp();
  const doubt = useCell(app.doubt);
  const close = () => app.doubt.set(null);
  return (
    <Dialog label={doubt?.question ?? 'Make sure'} isOpen={doubt !== null} onClose={close}>
      <h2>{doubt?.question}</h2>
      <p>{doubt?.detail}</p>
      {doubt ? <CommandLine command={doubt.command} /> : null}
      <p class="actions">
        <button type="button" class="button quiet" onClick={close}>
          Leave it
        </button>
        <button
          type="button"
          class="button bad"
          onClick={() => {
            close();
            doubt?.act();
          }}
        >
          {doubt?.yes}
        </button>
      </p>
    </Dialog>
  );
}

function HelpBox() {
  const app = useApp();
  const isOpen = useCell(app.isHelpOpen);
  return (
    <Dialog label="Keys" isOpen={isOpen} onClose={() => app.isHelpOpen.set(false)}>
      <h2>Keys</h2>
      <dl class="keys">
        {KEY_HELP.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(/\s+/).map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p class="actions">
        <button type="button" class="button" onClick={() => app.isHelpOpen.set(false)}>
          Close
        </button>
      </p>
    </Dialog>
  );
}
