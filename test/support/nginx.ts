import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startOnFreePort } from './free-port.ts'
import { keepServer } from './kept-server.ts'
import { findTool } from './system-tool.ts'

/** An nginx of a test's own, in the foreground of its keeper, in a folder that goes with it. */
export interface Nginx {
  readonly url: string
  /** What it has written: its errors and warnings. */
  log(): string
  /** May be called again. */
  stop(): Promise<void>
}

/**
 * Starts nginx with this inside of its `http` block, in which `listen 80;` stands for a free port of 127.0.0.1. It runs
 * as whoever runs the tests, or, when that is root, as somebody without rights.
 *
 * @throws {Error} nginx is missing, with what to install; or it did not start, with what it wrote
 */
export async function startNginx(sites: string): Promise<Nginx> {
  const command = await findTool('nginx')
  const kept = keepServer('nginx')
  try {
    return await startOnFreePort(async port => {
      const seen = kept.log().length
      writeFileSync(join(kept.folder, 'nginx.conf'), describe(sites, port))
      const args = ['-p', kept.folder, '-c', join(kept.folder, 'nginx.conf')]
      // It says so when its ports are open.
      const isReady = (): boolean => kept.log().includes('start worker process', seen)
      await kept.start({ command, args, signal: 'SIGTERM' }, isReady)
      return { url: `http://127.0.0.1:${port}`, log: () => kept.log(), stop: () => kept.discard() }
    })
  } catch (error) {
    await kept.discard()
    throw error
  }
}

/** Debian's nginx would write to folders of root. */
function describe(sites: string, port: number): string {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${name};`)
  return `daemon off;
pid nginx.pid;
error_log stderr notice;
worker_processes 1;
events {}
http {
access_log off;
${folders.join('\n')}
${sites.replaceAll('listen 80;', `listen 127.0.0.1:${port};`)}
}
`
}
