// Something that happens, heard by whoever was connected to it. Made before both sides, so that neither has to know the
// other to be made.

export class Signal<T = void> {
  readonly #listeners: ((value: T) => void)[] = [];

  /** Tells everybody who listens by now; nobody: then it is over and done with. */
  emit(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }

  on(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }
}
