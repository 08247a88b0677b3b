import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defaultUpstream, type GatewayConfig } from '../../../packages/gateway/src/config/config.ts'
import { type Flag, fallbackOf } from '../../../packages/gateway/src/config/flag.ts'
import { serveFlags } from '../../../packages/gateway/src/config/flags.ts'
import { readRoutes } from '../../../packages/gateway/src/config/routes.ts'
import { startGateway } from '../../../packages/gateway/src/gateway.ts'
import { readOnDisconnect } from '../../../packages/retrysafe/src/engine/policy.ts'
import type { Options, Setting } from './adapter.ts'
import { buildNode } from './node.ts'

/** A gateway in this process before a plain node:http server that plays the same scripts. */
export async function openGateway(
  setting: Omit<Setting, 'safe'>,
  store: string,
  maxResultBytes: number | undefined,
): Promise<{ url: string; closed(): number; close(): Promise<void> }> {
  let closed = 0
  const upstream = createServer(buildNode({ ...setting, safe: undefined }).listener).listen(0, '127.0.0.1')
  upstream.on('connection', socket => socket.once('close', () => closed++))
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  const target = { name: defaultUpstream, origin: `http://127.0.0.1:${port}`, basePath: '' }
  const config: GatewayConfig = {
    ...defaults,
    ...flagsOf(setting.options),
    ...(maxResultBytes !== undefined && { maxResultBytes }),
    store,
    port: 0,
    adminPort: 0,
    upstreams: new Map([[target.name, target]]),
  }
  const gateway = await startGateway(config, () => {})
  return {
    url: gateway.url,
    closed: () => closed,
    async close() {
      await gateway.close()
      upstream.close()
      upstream.closeAllConnections()
    },
  }
}

const defaults = Object.fromEntries(
  Object.entries<Flag>(serveFlags).map(([member, flag]) => [member, fallbackOf(flag)]),
) as unknown as GatewayConfig

/** The gateway's names for the middleware's options. */
function flagsOf(options: Options): Partial<GatewayConfig> {
  const { tenant, key, onDisconnect, leaveOut, ...rest } = options
  if (key !== undefined || typeof tenant === 'function') throw new Error('a gateway calls no functions')
  const { handlerTimeoutMs, methods, recordStatus, keyHeaders, ...same } = rest
  return {
    ...same,
    ...(onDisconnect !== undefined && { onDisconnect: readOnDisconnect(onDisconnect) }),
    ...(leaveOut !== undefined && { routes: readRoutes([{ match: '/**', leaveOut: [...leaveOut] }]) }),
    ...(tenant === 'single' && { tenant: { kind: 'none' } }),
    ...(handlerTimeoutMs !== undefined && { upstreamTimeoutMs: handlerTimeoutMs }),
    ...(methods !== undefined && { methods: new Set(methods) }),
    ...(keyHeaders !== undefined && { keyHeaders: keyHeaders.map(name => name.toLowerCase()) }),
    ...(recordStatus !== undefined && { recordStatus: recordStatus.map(readRange) }),
  }
}

function readRange(range: number | readonly [number, number]): { from: number; to: number } {
  const [from, to] = typeof range === 'number' ? [range, range] : range
  return { from, to }
}
