// The bytes of a graph file as pieces of buffers: changing one line makes a new text that shares all other bytes with
// the old one. Immutable; knows nothing of lines.

/** A part of the text. */
interface Piece {
  /** Its offset in the text. */
  readonly at: number;
  readonly bytes: Buffer;
}

/** New bytes that replace those from `from` to `to`. */
export interface Replacement {
  readonly from: number;
  readonly to: number;
  readonly bytes: Buffer;
}

/** Pieces up to this many bytes are copied rather than referenced. */
const PIECE_BYTES = 65_536;
const FEW_PIECES = 16;
/** A text of this many bytes is copied within a few ms; a larger one may keep unneeded bytes for a while. */
const SOON_COPIED = 8_000_000;

export class PieceTable {
  readonly length: number;
  readonly #pieces: readonly Piece[];

  private constructor(pieces: readonly Piece[], length: number) {
    this.#pieces = pieces;
    this.length = length;
  }

  /** Takes ownership of the buffer. */
  static of(bytes: Buffer): PieceTable {
    return new PieceTable(bytes.length === 0 ? [] : [{ at: 0, bytes }], bytes.length);
  }

  /** The bytes from `from` to `to`; read-only. */
  slice(from: number, to: number): Buffer {
    const parts = this.parts(from, to);
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  }

  /** The same as the underlying pieces, in order. */
  parts(from: number, to: number): Buffer[] {
    const found: Buffer[] = [];
    for (let i = this.#pieceAt(from); i < this.#pieces.length; i++) {
      const piece = this.#pieces[i];
      if (piece === undefined || piece.at >= to) break;
      const part = piece.bytes.subarray(
        Math.max(0, from - piece.at),
        Math.min(piece.bytes.length, to - piece.at),
      );
      if (part.length > 0) found.push(part);
    }
    return found;
  }

  /** How many bytes from `at` on equal those of `other`. */
  sameFrom(at: number, other: Buffer): number {
    let same = 0;
    for (const part of this.parts(at, at + other.length)) {
      const count = commonStart(part, other.subarray(same, same + part.length));
      same += count;
      if (count < part.length) break;
    }
    return same;
  }

  /** How many bytes before `end` equal those at the end of `other`. */
  sameBefore(end: number, other: Buffer): number {
    let same = 0;
    for (const part of this.parts(Math.max(0, end - other.length), end).reverse()) {
      const to = other.length - same;
      const count = commonEnd(part, other.subarray(to - part.length, to));
      same += count;
      if (count < part.length) break;
    }
    return same;
  }

  /** The text with these replacements, which are sorted and do not overlap. */
  replaced(replacements: readonly Replacement[]): PieceTable {
    const pieces: Piece[] = [];
    let length = 0;
    const push = (bytes: Buffer) => {
      if (bytes.length > 0) pieces.push({ at: length, bytes });
      length += bytes.length;
    };
    let at = 0;
    for (const { from, to, bytes } of replacements) {
      this.parts(at, from).forEach(push);
      push(bytes);
      at = to;
    }
    this.parts(at, this.length).forEach(push);
    return new PieceTable(pieces, length).#compact();
  }

  /** Merged into one buffer if there are many pieces, or if most of what they reference is no longer needed. */
  #compact(): PieceTable {
    let held = 0;
    for (const buffer of new Set(this.#pieces.map(({ bytes }) => bytes.buffer))) held += buffer.byteLength;
    const isMany = this.#pieces.length > FEW_PIECES + this.length / PIECE_BYTES;
    const spare = this.length <= SOON_COPIED ? this.length / 4 : this.length;
    if (!isMany && held <= this.length + spare + PIECE_BYTES) return this;
    const bytes = Buffer.allocUnsafeSlow(this.length);
    for (const piece of this.#pieces) piece.bytes.copy(bytes, piece.at);
    return PieceTable.of(bytes);
  }

  #pieceAt(offset: number): number {
    let low = 0;
    let high = this.#pieces.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((this.#pieces[middle]?.at ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}

const STRIDE = 65_536;

/** How many bytes two buffers of equal length have in common at their start. */
function commonStart(a: Buffer, b: Buffer): number {
  let at = 0;
  while (at < a.length) {
    const end = Math.min(at + STRIDE, a.length);
    if (a.compare(b, at, end, at, end) !== 0) break;
    at = end;
  }
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}

/** How many bytes two buffers of equal length have in common at their end. */
function commonEnd(a: Buffer, b: Buffer): number {
  let end = a.length;
  while (end > 0) {
    const from = Math.max(0, end - STRIDE);
    if (a.compare(b, from, end, from, end) !== 0) break;
    end = from;
  }
  while (end > 0 && a[end - 1] === b[end - 1]) end--;
  return a.length - end;
}
