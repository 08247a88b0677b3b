import type { GatewayConfig, SettableMember } from './config.ts'
import { defaultUpstream } from './config.ts'
import type { Flag } from './flag.ts'
import { serveFlags } from './flags.ts'
import { memberName, shapeOf } from './members.ts'
import { mask, maskPassword } from './secret-mask.ts'
import type { Settings } from './settings.ts'

/** One member as it is in force. */
export interface PrintedMember {
  /** As the configuration file would say it; null: nothing is set, and there is no default. */
  readonly value: unknown
  readonly from: 'flag' | 'environment' | 'file' | 'default'
  /** The flag, the variable, or the file and its member. */
  readonly name?: string
}

/** What is in force, and from where; secrets are masked. */
export interface PrintedConfig {
  readonly file: string | null
  readonly config: Readonly<Record<string, PrintedMember>>
  readonly routes: readonly Readonly<Record<string, unknown>>[]
}

export function printConfig({ config, given, file }: Settings): PrintedConfig {
  const members = Object.entries<Flag>(serveFlags).map(([key, flag]) => {
    const member = key as SettableMember
    const one = given.get(member)
    const texts = member === 'upstreams' ? upstreamTexts(config) : (one?.values ?? fallbackTexts(flag))
    const value = memberValue(flag, texts)
    const printed: PrintedMember =
      one === undefined ? { value, from: 'default' } : { value, from: one.from, name: one.name }
    return [memberName(flag), printed] as const
  })
  return {
    file: file?.path ?? null,
    config: Object.fromEntries(members),
    routes: (config.routes ?? []).map(({ written }) => written),
  }
}

function fallbackTexts({ fallback, repeatable }: Flag): readonly string[] {
  if (fallback === undefined) return []
  return repeatable ? fallback.split(' ') : [fallback]
}

/** Those that are built in, too. */
function upstreamTexts({ upstreams }: GatewayConfig): string[] {
  return [...upstreams].map(([name, { origin, basePath }]) =>
    name === defaultUpstream ? origin + basePath : `${name}=${origin}${basePath}`,
  )
}

function memberValue(flag: Flag, texts: readonly string[]): unknown {
  const values = texts.map(text => shownOf(flag, text))
  return flag.repeatable ? values : (values[0] ?? null)
}

function shownOf(flag: Flag, text: string): unknown {
  if (flag.secret) return mask
  switch (shapeOf(flag).type) {
    case 'integer':
      return Number(text)
    case 'boolean':
      return flag.read(text)
    case 'string':
      return maskPassword(text)
  }
}
