import type { Flag } from './flag.ts'
import { onOrOff, text } from './readers.ts'

/** The flags of `serve` that say where the others come from, and stand in no file. */
export const startFlags: { readonly config: Flag<string>; readonly printConfig: Flag<boolean> } = {
  config: {
    flag: '--config <file>',
    help: 'configuration file, .json or .js; default: retrysafe.config.json or retrysafe.config.js in the working directory',
    read: text,
    isPath: true,
  },
  printConfig: {
    flag: '--print-config [on|off]',
    help: 'print what is in force, and from where, as JSON, and end; secrets are masked',
    read: onOrOff,
    fallback: 'off',
  },
}
