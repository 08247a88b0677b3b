import { type Command, Option } from 'commander'
import { findConfigFile, readConfigFile } from '../config/config-file.ts'
import { environmentName, type Flag, FlagError } from '../config/flag.ts'
import { serveFlags } from '../config/flags.ts'
import { readSecretFile } from '../config/members.ts'
import {
  type FileSettings,
  type Given,
  invalid,
  readFileSettings,
  resolveSettings,
  type Settings,
} from '../config/settings.ts'
import { startFlags } from '../config/start-flags.ts'

/** Adds every flag of `serve` to a command; flags beat the environment, that beats the file, and that the defaults. */
export function addServeFlags(command: Command): void {
  for (const flag of [...Object.values<Flag>(serveFlags), ...Object.values<Flag>(startFlags)]) {
    // Written out: commander shows only defaults that it sets itself, and could then not tell them from what was set.
    const shown = flag.fallback === undefined ? '' : `; default ${flag.fallback}`
    const option = new Option(flag.flag, flag.help + shown).env(environmentName(flag.flag))
    if (flag.repeatable) option.argParser(gather)
    command.addOption(option)
  }
}

/**
 * What was set, completed by the defaults. Call it after `command` has parsed. Values are read here and not by commander,
 * whose errors show them: a secret must not be shown.
 *
 * @throws {RetrysafeError} `CONFIG_INVALID`
 */
export async function settingsOf(command: Command): Promise<Settings> {
  return resolveSettings(flag => givenIn(command, flag), await fileOf(command))
}

/** Whether the configuration is to be shown, and nothing started. */
export function isToPrint(command: Command): boolean {
  const given = givenIn(command, startFlags.printConfig)
  if (given === undefined) return false
  return named(given.name, () => startFlags.printConfig.read(given.values[0] ?? ''))
}

async function fileOf(command: Command): Promise<FileSettings | undefined> {
  const given = givenIn(command, startFlags.config)
  const path = given === undefined ? await findConfigFile(process.cwd()).catch(told) : given.values[0]
  if (path === undefined) return undefined
  const name = given === undefined ? path : `${given.name} ${path}`
  const file = await readConfigFile(path).catch((error: unknown) => told(error, `${name}: `))
  return readFileSettings(file)
}

function told(error: unknown, before = ''): never {
  if (!(error instanceof FlagError)) throw error
  throw invalid(before + error.message)
}

function named<Value>(name: string, read: () => Value): Value {
  try {
    return read()
  } catch (error) {
    return told(error, `${name}: `)
  }
}

function givenIn(command: Command, flag: Flag): Given | undefined {
  const attribute = new Option(flag.flag).attributeName()
  const set: unknown = command.getOptionValue(attribute)
  if (set === undefined) return fromSecretFile(flag)
  const inEnvironment = command.getOptionValueSource(attribute) === 'env'
  const from = inEnvironment ? 'environment' : 'flag'
  const name = inEnvironment ? environmentName(flag.flag) : (flag.flag.split(' ')[0] ?? flag.flag)
  const given = (Array.isArray(set) ? set : [set]).map(String)
  const isList = flag.repeatable && (inEnvironment || !flag.isPath)
  const values = isList ? given.flatMap(value => value.split(' ')).filter(value => value !== '') : given
  if (values.length > 0) return { from, name, values }
  // An empty variable says nothing; an empty flag is a mistake.
  return inEnvironment ? undefined : { from, name, values: [''] }
}

/** Secrets may stand in a file instead, so that they show in no process list. */
function fromSecretFile(flag: Flag): Given | undefined {
  const name = `${environmentName(flag.flag)}_FILE`
  const path = flag.secret ? process.env[name] : undefined
  if (path === undefined) return undefined
  return { from: 'environment', name, values: [named(name, () => readSecretFile(path))] }
}

function gather(value: string, previous: unknown): string[] {
  return [...(Array.isArray(previous) ? previous : []), value]
}
