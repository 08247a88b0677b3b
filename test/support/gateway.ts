import { type Environment, type Program, startProgram } from './program.ts'

/** A gateway in a process of its own. */
export interface Gateway extends Program {
  readonly url: string
  readonly admin: string
}

/** Starts a gateway before `upstream` on ports that the system picks. */
export async function startGateway(
  upstream: string,
  flags: readonly string[] = [],
  environment: Environment = {},
): Promise<Gateway> {
  const ports = ['--port', '0', '--admin-port', '0']
  const program = await startProgram(['serve', '--upstream', upstream, ...ports, ...flags], environment)
  const { url = '', admin = '' } = program.ready
  return { ...program, url, admin }
}
