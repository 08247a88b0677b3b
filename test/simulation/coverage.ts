/** How often each thing happened, by name. */
export class Coverage {
  readonly counts = new Map<string, number>()

  hit(name: string, times = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + times)
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0
  }

  add(other: Coverage): void {
    for (const [name, times] of other.counts) this.hit(name, times)
  }

  /** One line a name, in the order of the alphabet. */
  table(): string {
    const names = [...this.counts.keys()].sort()
    const width = Math.max(0, ...names.map(name => name.length))
    return names.map(name => `${name.padEnd(width)} ${String(this.of(name)).padStart(9)}`).join('\n')
  }
}
