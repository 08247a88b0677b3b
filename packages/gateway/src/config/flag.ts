/** Reads one value of a flag; throws a `FlagError` that says what it takes. */
export type Read<Value> = (text: string) => Value

export class FlagError extends Error {}

/** One flag of `serve`: its name in the help, what it means, how it is read, and what holds when nobody sets it. */
export interface Flag<Value = unknown> {
  readonly flag: string
  readonly help: string
  readonly read: Read<Value>
  /** In the form in which a user would write it; absent: none. */
  readonly fallback?: string
  /** May be given several times; in the environment split at spaces. */
  readonly repeatable?: true
  /** What the values of a repeatable flag make together; absent: their list. */
  combine?(values: readonly Value[]): unknown
  /** Also read from the file that RETRYSAFE_<FLAG>_FILE names. */
  readonly secret?: true
  /** An error does not show its value: a URL may hold a password. */
  readonly mayHoldSecret?: true
  /** A path: spaces may stand in it, but for the environment. */
  readonly isPath?: true
}

/** RETRYSAFE_ and the flag's name in capitals. */
export function environmentName(flag: string): string {
  return `RETRYSAFE_${flag.replace(/^--/, '').replace(/ .*/, '').replaceAll('-', '_').toUpperCase()}`
}

/** What a flag comes to that was given so; throws a `FlagError`. */
export function readFlag(flag: Flag, values: readonly string[]): unknown {
  if (!flag.repeatable) return flag.read(values[0] ?? '')
  const read = values.map(flag.read)
  return flag.combine === undefined ? read : flag.combine(read)
}

/** What holds when nobody sets it. */
export function fallbackOf(flag: Flag): unknown {
  if (flag.repeatable) return readFlag(flag, flag.fallback?.split(' ') ?? [])
  return flag.fallback === undefined ? undefined : flag.read(flag.fallback)
}
