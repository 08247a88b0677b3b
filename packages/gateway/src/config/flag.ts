/** Reads one value of a flag; throws a `FlagError` that says what it takes. */
export interface Read<Value> {
  (text: string): Value
  /** What it takes in the configuration file. Default: any text. */
  readonly shape?: ValueShape
}

/** What one value is in the configuration file, in the words of JSON Schema. */
export type ValueShape =
  | {
      readonly type: 'string'
      readonly pattern?: string
      readonly enum?: readonly string[]
      readonly minLength?: number
    }
  | { readonly type: 'integer'; readonly minimum: number; readonly maximum: number }
  | { readonly type: 'boolean' }

export function shaped<Value>(read: (text: string) => Value, shape: ValueShape): Read<Value> {
  return Object.assign(read, { shape })
}

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
