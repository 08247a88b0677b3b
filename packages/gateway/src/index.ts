export type { GatewayConfig } from './config/config.ts'
export { type Gateway, startGateway } from './gateway.ts'
export { type Sandbox, type SandboxOptions, startSandbox } from './sandbox/server.ts'
