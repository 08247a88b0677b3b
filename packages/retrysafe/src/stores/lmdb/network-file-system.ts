import { statfsSync } from 'node:fs'

/**
 * File systems on which a memory-mapped file with locks is not safe: other machines, or another kernel, may write
 * behind our back. By the magic numbers of Linux (statfs(2), linux/magic.h).
 */
const unsafe: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE or virtiofs'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x786f4256, 'a shared folder of VirtualBox'],
  [0xbacbacbc, 'a shared folder of VMware'],
])

/**
 * The name of the file system of `folder` if a store must not live there; `undefined` if it may.
 *
 * @param readType answers statfs's type; default: asks Linux, and nobody elsewhere
 */
export function nameUnsafeFileSystem(
  folder: string,
  readType: (folder: string) => number = readFsType,
): string | undefined {
  return unsafe.get(readType(folder) >>> 0)
}

function readFsType(folder: string): number {
  return process.platform === 'linux' ? statfsSync(folder).type : 0
}
