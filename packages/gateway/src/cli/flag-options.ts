import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { GatewayConfig } from '../config/config.ts'
import { environmentName, type Flag, FlagError, serveFlags } from '../config/flags.ts'

/** Adds every flag of `serve` to a command; flags beat the environment, the environment beats the defaults. */
export function addServeFlags(command: Command): void {
  for (const flag of Object.values<Flag>(serveFlags)) {
    const option = new Option(flag.flag, flag.help).env(environmentName(flag.flag))
    if (flag.repeatable) option.argParser(repeatedReader(flag))
    else option.argParser(value => readValue(flag, value))
    if (flag.fallback !== undefined) option.default(undefined, flag.fallback)
    command.addOption(option)
  }
}

/** What was set, completed by the defaults. Call it after `command` has parsed. */
export function configOf(command: Command): GatewayConfig {
  const set = command.opts<Record<string, unknown>>()
  const config: Record<string, unknown> = {}
  for (const [member, flag] of Object.entries<Flag>(serveFlags)) {
    const name = new Option(flag.flag).attributeName()
    config[member] = set[name] ?? fromFile(command, flag) ?? fallbackOf(flag)
  }
  const { methods, upstream } = config
  if (upstream === undefined)
    command.error("error: option '--upstream <url>' is missing: it takes an http or https URL")
  return { ...config, methods: new Set(methods as string[]) } as unknown as GatewayConfig
}

/** Secrets may stand in a file instead, so that they show in no process list. */
function fromFile(command: Command, flag: Flag): unknown {
  const variable = `${environmentName(flag.flag)}_FILE`
  const path = flag.secret ? process.env[variable] : undefined
  if (path === undefined) return undefined
  try {
    return readValue(flag, readFileSync(path, 'utf8').trim())
  } catch (error) {
    return command.error(`error: ${variable}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function fallbackOf(flag: Flag): unknown {
  if (flag.fallback === undefined) return undefined
  return flag.repeatable ? flag.fallback.split(' ').map(flag.read) : flag.read(flag.fallback)
}

function repeatedReader(flag: Flag): (value: string, previous: unknown) => unknown[] {
  return (value, previous) => [
    ...(Array.isArray(previous) ? previous : []),
    ...value
      .split(' ')
      .filter(part => part !== '')
      .map(part => readValue(flag, part)),
  ]
}

function readValue(flag: Flag, value: string): unknown {
  try {
    return flag.read(value)
  } catch (error) {
    if (error instanceof FlagError) throw new InvalidArgumentError(error.message)
    throw error
  }
}
