import type { StoreKey } from '../../../engine/record.ts'
import { doubtful, type Finding, fine, wrong } from '../../finding.ts'
import { scripts } from '../embedded-lua.ts'
import { Names } from '../names.ts'
import { codeOf, rightsCure } from '../store-error.ts'
import type { Send } from './node-facts.ts'

// Asks what this user may do, and does nothing. https://redis.io/docs/latest/develop/programmability/lua-api/
const question = `local lacking = {}
for at, packed in ipairs(ARGV) do
  local ok, may = pcall(redis.acl_check_cmd, unpack(cjson.decode(packed)))
  if not (ok and may) then lacking[#lacking + 1] = at end
end
return lacking`

/** A command that the store sends, and what does not work without it; undefined: the store itself. */
interface Right {
  readonly command: readonly string[]
  readonly without?: string
}

/** A name that is asked about; no such key is made. */
const sample = 'doctor' as StoreKey
const polls = 'processes hear of each other later, by polling'
const unchecked = 'nobody sees whether the server evicts or forgets records, nor how long it was away'

/** Every command of the scripts, and those around them. Some take several keys, so each argument is ours. */
function rightsOf(names: Names): Right[] {
  const key = names.record(sample)
  const others = [names.steps(sample), names.pair(sample), names.meta(sample), names.unknown, ...names.counters(sample)]
  const channel = names.channel(sample)
  const text = Object.values(scripts).join('\n')
  const inside = new Set([...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name]) => name ?? ''))
  const elsewhere = ['TIME', 'INFO', 'SPUBLISH']
  return [
    { command: ['EVALSHA', '0', '1', key] },
    { command: ['TIME'] },
    ...[...inside].filter(name => !elsewhere.includes(name)).map(name => ({ command: [name, key, key, key] })),
    ...others.map(other => ({ command: ['SET', other, ''] })),
    { command: ['INFO'], without: unchecked },
    { command: ['SCAN', '0'], without: 'records cannot be listed' },
    { command: ['SPUBLISH', channel, ''], without: polls },
    { command: ['SSUBSCRIBE', channel], without: polls },
  ]
}

/** By one script, which asks about each command and sends none. */
export async function examineRights(send: Send, prefix: string): Promise<Finding> {
  const rights = rightsOf(new Names(prefix))
  try {
    const packed = rights.map(({ command }) => JSON.stringify(command))
    const reply = await send(['EVAL', question, '0', ...packed])
    const lacking = (Array.isArray(reply) ? reply : []).map(at => rights[Number(at) - 1])
    return judgeRights(
      lacking.filter(right => right !== undefined),
      prefix,
    )
  } catch (error) {
    if (codeOf(error) !== 'NOPERM') throw error
    return judgeRights([{ command: ['EVAL'] }], prefix)
  }
}

function judgeRights(lacking: readonly Right[], prefix: string): Finding {
  const check = 'rights'
  if (lacking.length === 0) return fine(check, 'the user has all that the store needs')
  const needed = lacking.filter(({ without }) => without === undefined)
  const shown = (needed.length > 0 ? needed : lacking).map(({ command: [name, ...args] }) =>
    [name, args.find(arg => arg.includes(':'))].filter(word => word !== undefined).join(' '),
  )
  const more = shown.length > 3 ? `, and ${shown.length - 3} more` : ''
  const says = `this user may not send ${shown.slice(0, 3).join('; ')}${more}`
  if (needed.length > 0) return wrong(check, `${says}: the store does not work`, rightsCure(prefix))
  const means = [...new Set(lacking.map(({ without }) => without))].join('; ')
  return doubtful(check, `${says}: ${means}`, rightsCure(prefix))
}
