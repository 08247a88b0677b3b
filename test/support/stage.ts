import { afterAll, beforeEach } from 'vitest'
import { type Gateway, startGateway } from './gateway.ts'
import { type Sandbox, startSandbox } from './sandbox.ts'

/** A provider with a gateway before it, for all tests of a file. */
export interface Stage {
  readonly sandbox: Sandbox
  readonly gateway: Gateway
}

/** Opens a stage for the file that calls it; its meter is at zero when a test begins. */
export async function openStage(...flags: string[]): Promise<Stage> {
  const sandbox = await startSandbox()
  afterAll(sandbox.stop)
  const gateway = await startGateway(sandbox.url, flags)
  afterAll(gateway.stop)
  beforeEach(sandbox.meter.reset)
  return { sandbox, gateway }
}
