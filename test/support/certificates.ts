import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** An authority of a test's own, and what it has signed for servers on 127.0.0.1. */
export interface Authority {
  /** The file with its certificate, PEM. */
  readonly path: string
  /** What a TLS server needs. */
  readonly server: { readonly key: string; readonly cert: string }
}

const elliptic = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']

/** Makes an authority by openssl, gone when the file that calls it is done. `name` becomes part of its file's name. */
export function makeAuthority(name: string): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'retrysafe-ca-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const inFolder = (file: string): string => join(folder, file)
  const request = (...args: string[]): unknown =>
    execFileSync('openssl', ['req', '-x509', ...elliptic, ...args], { stdio: 'pipe' })
  const path = inFolder(`${name}.pem`)
  request('-subj', `/CN=${name}`, '-keyout', inFolder('ca.key'), '-out', path)
  const ofServer = ['-keyout', inFolder('server.key'), '-out', inFolder('server.pem')]
  const signed = ['-CA', path, '-CAkey', inFolder('ca.key'), '-addext', 'subjectAltName=IP:127.0.0.1']
  request('-subj', '/CN=server', ...signed, '-addext', 'basicConstraints=critical,CA:FALSE', ...ofServer)
  return {
    path,
    server: { key: readFileSync(inFolder('server.key'), 'utf8'), cert: readFileSync(inFolder('server.pem'), 'utf8') },
  }
}
