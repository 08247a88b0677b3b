import { DefaultDeserializer, DefaultSerializer } from 'node:v8'
import { RetrysafeError } from './errors.ts'
import { describeThrown } from './thrown.ts'
import { findUncloneable } from './uncloneable.ts'

/** Before each value: how the rest is written. 1: V8's structured clone, its host objects as `writeView` does. */
const version = 1

/** By their place here: only ever add at the end. `Buffer` comes back as one. */
const viewNames = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'DataView',
  'Buffer',
] as const
type ViewName = (typeof viewNames)[number]

/**
 * Puts a value into bytes that give it back exactly: `undefined`, `NaN`, `-0`, BigInt, Date, RegExp, Map, Set, Error,
 * ArrayBuffer, typed arrays, holes, cycles.
 *
 * @param name what the value is called in the error
 * @throws {RetrysafeError} `RESULT_NOT_SERIALIZABLE`, naming the path of what structured clone would refuse, or lose
 * @see HTML §2.7.3 StructuredSerializeInternal
 * @example
 * decodeValue(encodeValue(new Map([['at', new Date(0)]]))) // the same map, as another object
 */
export function encodeValue(value: unknown, name = 'result'): Uint8Array {
  const found = findUncloneable(value, name)
  if (found !== undefined) throw notSerializable(`${found.path} ${found.reason}`)
  const writer = new ValueWriter()
  writer.writeRawBytes(Buffer.of(version))
  writer.writeHeader()
  try {
    writer.writeValue(value)
  } catch (cause) {
    throw notSerializable(`${name} cannot be cloned: ${describeThrown(cause)}`, cause)
  }
  return writer.releaseBuffer()
}

/**
 * @param bytes as `encodeValue` made them; not changed, and the value shares no memory with them
 * @throws {RetrysafeError} `STORE_INCOMPATIBLE` for what a newer Retrysafe, or a newer V8, has written
 */
export function decodeValue(bytes: Uint8Array): unknown {
  if (bytes[0] !== version)
    throw incompatible(`its values are of version ${bytes[0]}, and this Retrysafe reads ${version}`)
  const reader = new ValueReader(bytes.subarray(1))
  try {
    reader.readHeader()
    return reader.readValue()
  } catch (cause) {
    throw incompatible('this version of Node.js cannot read its value', cause)
  }
}

/** Of a typed array it writes what the array shows, never the whole buffer behind it: that may be a shared pool. */
class ValueWriter extends DefaultSerializer {
  _writeHostObject(view: object): void {
    if (!ArrayBuffer.isView(view)) throw new TypeError(`${Object.prototype.toString.call(view)} could not be cloned`)
    this.writeUint32(viewNames.indexOf(nameOf(view)))
    this.writeUint32(view.byteLength)
    this.writeRawBytes(Buffer.from(view.buffer, view.byteOffset, view.byteLength))
  }
}

class ValueReader extends DefaultDeserializer {
  _readHostObject(): object {
    const name = viewNames[this.readUint32()]
    // A copy: the bytes are the log's, from which others read.
    const bytes = new Uint8Array(this.readRawBytes(this.readUint32()))
    return viewOf(name, bytes)
  }
}

function nameOf(view: ArrayBufferView): ViewName {
  if (Buffer.isBuffer(view)) return 'Buffer'
  const name = Object.prototype.toString.call(view).slice(8, -1)
  const known = viewNames.find(each => each === name)
  if (known === undefined) throw new TypeError(`${name} could not be cloned`)
  return known
}

const views: Readonly<Record<ViewName, (bytes: ArrayBuffer) => object>> = {
  Int8Array: bytes => new Int8Array(bytes),
  Uint8Array: bytes => new Uint8Array(bytes),
  Uint8ClampedArray: bytes => new Uint8ClampedArray(bytes),
  Int16Array: bytes => new Int16Array(bytes),
  Uint16Array: bytes => new Uint16Array(bytes),
  Int32Array: bytes => new Int32Array(bytes),
  Uint32Array: bytes => new Uint32Array(bytes),
  Float32Array: bytes => new Float32Array(bytes),
  Float64Array: bytes => new Float64Array(bytes),
  BigInt64Array: bytes => new BigInt64Array(bytes),
  BigUint64Array: bytes => new BigUint64Array(bytes),
  DataView: bytes => new DataView(bytes),
  Buffer: bytes => Buffer.from(bytes),
}

function viewOf(name: ViewName | undefined, bytes: Uint8Array<ArrayBuffer>): object {
  if (name === undefined) throw new TypeError('an array of an unknown kind')
  return views[name](bytes.buffer)
}

function notSerializable(message: string, cause?: unknown): RetrysafeError {
  return new RetrysafeError('RESULT_NOT_SERIALIZABLE', message, cause === undefined ? undefined : { cause })
}

function incompatible(why: string, cause?: unknown): RetrysafeError {
  return new RetrysafeError(
    'STORE_INCOMPATIBLE',
    `an outcome cannot be read: ${why}`,
    cause === undefined ? undefined : { cause },
  )
}
