// An event between two parts that are connected later. Created before both sides, so that neither has to know the
// other to be created.

export class Signal<T = void> {
  readonly #listeners: ((value: T) => void)[] = [];

  /** Calls all current listeners; without any, the event is lost. */
  emit(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }

  on(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }
}
