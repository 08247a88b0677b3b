import { type Flag, fallbackOf } from './flag.ts'
import { fileMembers, maxValues, shapeOf } from './members.ts'
import { maxPointers, maxRoutes, routeMemberNames } from './routes.ts'

type Schema = Readonly<Record<string, unknown>>

/**
 * The configuration file as JSON Schema, for editors: made of the table that the file is read by. It says what each value
 * looks like; ranges of durations, and what values mean together, only the reader knows.
 */
export function configSchema(): Schema {
  const members = [...fileMembers].map(([name, { flag, isPath }]) => [
    name,
    isPath ? pathSchema(flag) : memberSchema(flag),
  ])
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Configuration of the Retrysafe gateway: retrysafe.config.json',
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: { type: 'string' },
      ...Object.fromEntries(members),
      routes: {
        description: 'what holds for the paths of a pattern instead; of two that overlap the narrower one',
        type: 'array',
        maxItems: maxRoutes,
        items: routeSchema(),
      },
    },
  }
}

function routeSchema(): Schema {
  const members = routeMemberNames.map(name => {
    const flag = fileMembers.get(name)?.flag
    return [name, flag === undefined ? {} : memberSchema(flag)]
  })
  return {
    type: 'object',
    required: ['match'],
    additionalProperties: false,
    properties: {
      match: {
        description: 'a path as clients send it; * is one whole segment, ** at the end whatever follows',
        type: 'string',
        pattern: '^/',
        maxLength: 1_024,
      },
      ...Object.fromEntries(members),
      leaveOut: {
        description: 'JSON pointers to members of JSON bodies that make no other request',
        type: 'array',
        minItems: 1,
        maxItems: maxPointers,
        items: { type: 'string', pattern: '^/' },
      },
    },
  }
}

function memberSchema(flag: Flag): Schema {
  const value = shapeOf(flag)
  const isNeeded = flag.fallback !== undefined
  const list = { type: 'array', items: value, ...(isNeeded && { minItems: 1 }), maxItems: maxValues }
  return {
    description: flag.help,
    ...(flag.repeatable ? { anyOf: [value, list] } : value),
    ...(isNeeded && { default: defaultOf(flag) }),
  }
}

function defaultOf(flag: Flag): unknown {
  const { fallback = '', repeatable } = flag
  if (repeatable) return fallback.split(' ')
  return shapeOf(flag).type === 'string' ? fallback : fallbackOf(flag)
}

function pathSchema({ help }: Flag): Schema {
  return { description: `a file in which it stands: ${help}`, type: 'string', minLength: 1 }
}
