import { readFileSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { GatewayConfig } from '../config/config.ts'
import { environmentName, type Flag, FlagError, fallbackOf, readFlag } from '../config/flag.ts'
import { serveFlags } from '../config/flags.ts'

/** Where a value came from: what an error names. */
interface Given {
  readonly name: string
  readonly values: readonly string[]
}

/** Adds every flag of `serve` to a command; flags beat the environment, the environment beats the defaults. */
export function addServeFlags(command: Command): void {
  for (const flag of Object.values<Flag>(serveFlags)) {
    // Written out: commander shows only defaults that it sets itself, and could then not tell them from what was set.
    const shown = flag.fallback === undefined ? '' : `; default ${flag.fallback}`
    const option = new Option(flag.flag, flag.help + shown).env(environmentName(flag.flag))
    if (flag.repeatable) option.argParser(gather)
    command.addOption(option)
  }
}

/** What was set, completed by the defaults. Call it after `command` has parsed. */
export function configOf(command: Command): GatewayConfig {
  const config: Record<string, unknown> = {}
  for (const [member, flag] of Object.entries<Flag>(serveFlags)) {
    const given = givenIn(command, flag)
    config[member] = given === undefined ? fallbackOf(flag) : readGiven(command, flag, given)
  }
  return config as unknown as GatewayConfig
}

/** Read here and not by commander, whose errors show the value: a secret must not be shown. */
function readGiven(command: Command, flag: Flag, { name, values }: Given): unknown {
  try {
    return readFlag(flag, values)
  } catch (error) {
    if (!(error instanceof FlagError)) throw error
    const shown = flag.secret || flag.mayHoldSecret ? '' : ` ${JSON.stringify(values.join(' ').slice(0, 200))}`
    return command.error(`${name}${shown}: ${error.message}`)
  }
}

function givenIn(command: Command, flag: Flag): Given | undefined {
  const attribute = new Option(flag.flag).attributeName()
  const set: unknown = command.getOptionValue(attribute)
  if (set === undefined) return fromFile(command, flag)
  const inEnvironment = command.getOptionValueSource(attribute) === 'env'
  const name = inEnvironment ? environmentName(flag.flag) : (flag.flag.split(' ')[0] ?? flag.flag)
  const given = (Array.isArray(set) ? set : [set]).map(String)
  const isList = flag.repeatable && (inEnvironment || !flag.isPath)
  const values = isList ? given.flatMap(value => value.split(' ')).filter(value => value !== '') : given
  if (values.length > 0) return { name, values }
  // An empty variable says nothing; an empty flag is a mistake.
  return inEnvironment ? undefined : { name, values: [''] }
}

/** Secrets may stand in a file instead, so that they show in no process list. */
function fromFile(command: Command, flag: Flag): Given | undefined {
  const name = `${environmentName(flag.flag)}_FILE`
  const path = flag.secret ? process.env[name] : undefined
  if (path === undefined) return undefined
  try {
    return { name, values: [readFileSync(path, 'utf8').trim()] }
  } catch (error) {
    return command.error(`${name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function gather(value: string, previous: unknown): string[] {
  return [...(Array.isArray(previous) ? previous : []), value]
}
