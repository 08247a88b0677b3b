import { RetrysafeError } from 'retrysafe/internal/engine/errors'
import { defaultUpstream, type GatewayConfig, type RouteConfig, type SettableMember } from './config.ts'
import type { ConfigFile } from './config-file.ts'
import { type Flag, FlagError, fallbackOf, readFlag } from './flag.ts'
import { serveFlags } from './flags.ts'
import { fileMembers, readSecretFile, textsOf, within } from './members.ts'
import { nearestName } from './nearest-name.ts'
import { readRoutes } from './routes.ts'
import { hasPassword } from './secret-mask.ts'

/** What somebody said of one member, and where. */
export interface Given {
  readonly from: 'flag' | 'environment' | 'file'
  /** What an error names. */
  readonly name: string
  readonly values: readonly string[]
}

/** What stands in a configuration file, read as far as a flag's texts. */
export interface FileSettings {
  readonly path: string
  readonly given: ReadonlyMap<SettableMember, Given>
  readonly routes: readonly RouteConfig[]
}

/** What is in force, and from where. */
export interface Settings {
  readonly config: GatewayConfig
  readonly given: ReadonlyMap<SettableMember, Given>
  readonly file: FileSettings | undefined
}

/** Under it the gateway answers by itself. */
const ownSegment = '_retrysafe'

/** What a flag of that name, or its variable in the environment, was given. */
export type Ask = (flag: Flag) => Given | undefined

/**
 * What was set, completed by the defaults: `ask` beats the file.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`, naming flag, variable or member
 */
export function resolveSettings(ask: Ask, file: FileSettings | undefined): Settings {
  const config: Record<string, unknown> = {}
  const given = new Map<SettableMember, Given>()
  for (const [key, flag] of Object.entries<Flag>(serveFlags)) {
    const member = key as SettableMember
    const one = ask(flag) ?? file?.given.get(member)
    if (one !== undefined) given.set(member, one)
    config[member] = one === undefined ? fallbackOf(flag) : readGiven(flag, one)
  }
  if (file !== undefined && file.routes.length > 0) config['routes'] = file.routes
  const settings: Settings = { config: config as unknown as GatewayConfig, given, file }
  checkServed(settings)
  return settings
}

/** A route that no request can take is a slip: what it says would hold nowhere. */
function checkServed({ config: { routes = [], upstreams }, file }: Settings): void {
  for (const [at, { pattern }] of routes.entries()) {
    const first = pattern.segments[0] ?? ''
    const isOurs = first === ownSegment
    if (!isOurs && (upstreams.has(defaultUpstream) || upstreams.has(first) || first.startsWith('*'))) continue
    const near = isOurs ? undefined : nearestName(first, upstreams.keys())
    const hint = near === undefined ? '' : `; did you mean /${near}/?`
    const why = isOurs ? 'it is the gateway’s own' : 'no upstream serves it'
    throw invalid(`${file?.path}: routes[${at}].match: ${pattern.text}: ${why}${hint}`)
  }
}

function readGiven(flag: Flag, { name, values }: Given): unknown {
  try {
    return readFlag(flag, values)
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    const shown = flag.secret || flag.mayHoldSecret ? '' : ` ${JSON.stringify(values.join(' ').slice(0, 200))}`
    throw invalid(`${name}${shown}: ${error.message}`)
  }
}

/** @throws {RetrysafeError} `CONFIG_INVALID`, naming the file and the member, and never a value that may be a secret */
export function readFileSettings(file: ConfigFile): FileSettings {
  const given = new Map<SettableMember, Given>()
  let routes: readonly RouteConfig[] = []
  try {
    for (const [name, value] of Object.entries(file.members)) {
      if (value === undefined || name === '$schema') continue
      if (name === 'routes') routes = within(name, () => readRoutes(value))
      else within(name, () => readMember(file, name, value, given))
    }
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    throw invalid(`${file.path}: ${error.message}`)
  }
  return { path: file.path, given, routes }
}

function readMember(file: ConfigFile, name: string, value: unknown, given: Map<SettableMember, Given>): void {
  const found = fileMembers.get(name)
  if (found === undefined) throw new FlagError(unknown(name))
  const { member, flag, isPath } = found
  if (given.has(member)) throw new FlagError('it is said twice, as itself and by a file')
  const values = isPath ? [readSecretFile(pathOf(value))] : textsOf(flag, value)
  if (!isPath) checkSecrets(file, flag, name, values)
  given.set(member, { from: 'file', name: `${file.path}: ${name}`, values })
}

function pathOf(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new FlagError('it takes the path of a file')
}

function unknown(name: string): string {
  const near = nearestName(name, [...fileMembers.keys(), 'routes'])
  return `there is no such member${near === undefined ? '' : `; did you mean ${near}?`}`
}

function checkSecrets(file: ConfigFile, flag: Flag, name: string, values: readonly string[]): void {
  const secrets = flag.secret ? values : values.filter(hasPassword)
  if (!secrets.some(secret => file.exposes(secret))) return
  const elsewhere = flag.secret ? `, or name a file that holds it with ${name}File` : ', or set it in the environment'
  throw new FlagError(`a secret stands in a file that others may read: chmod 600 it${elsewhere}`)
}

export function invalid(message: string): RetrysafeError {
  return new RetrysafeError('CONFIG_INVALID', message)
}
