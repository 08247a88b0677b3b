export type Method = (...given: unknown[]) => unknown

/** Own members that are put over an object's, and taken off again. */
export class Overrides {
  #restore: (() => void)[] = []

  put(owner: object, own: PropertyDescriptorMap): void {
    for (const [name, descriptor] of Object.entries(own)) {
      const before = Object.getOwnPropertyDescriptor(owner, name)
      Object.defineProperty(owner, name, descriptor)
      this.#restore.push(() => {
        Reflect.deleteProperty(owner, name)
        if (before !== undefined) Object.defineProperty(owner, name, before)
      })
    }
  }

  /** Done by `remove` too, after what was put later has gone. */
  whenRemoved(run: () => void): void {
    this.#restore.push(run)
  }

  remove(): void {
    for (const restore of this.#restore.splice(0)) restore()
  }
}

export function method(value: Method): PropertyDescriptor {
  return { value, configurable: true, writable: true, enumerable: false }
}
