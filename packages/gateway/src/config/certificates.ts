import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { FlagError } from './flag.ts'

/** All that a system trusts takes about 0.2 MB. */
const maxFileBytes = 4_194_304
const begin = '-----BEGIN CERTIFICATE-----'
const block = new RegExp(`^${begin}[A-Za-z0-9+/=\\s]+-----END CERTIFICATE-----`)

/** The certificates that stand in a PEM file, each as PEM; what stands between them is passed over. */
export function readCertificates(path: string): readonly string[] {
  const blocks = readPem(path).split(begin).slice(1)
  if (blocks.length === 0) throw new FlagError('it takes a file of PEM certificates, and there is none in it')
  return blocks.map((rest, at) => {
    const certificate = block.exec(begin + rest)?.[0]
    if (certificate === undefined || !isCertificate(certificate)) {
      throw new FlagError(`number ${at + 1} of its certificates is damaged`)
    }
    return certificate
  })
}

function readPem(path: string): string {
  try {
    if (statSync(path).size > maxFileBytes) throw new FlagError(`it takes a file of at most ${maxFileBytes} bytes`)
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (error instanceof FlagError) throw error
    throw new FlagError(`it cannot be read: ${Reflect.get(Object(error), 'code') ?? String(error)}`)
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.byteLength > 0
  } catch {
    return false
  }
}
