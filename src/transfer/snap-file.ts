import CRC32C from 'crc-32/crc32c.js'
import { TransferError } from './errors.ts'
import { ProtobufError, readMessage } from './protobuf.ts'

/** The content of a file in etcd's `member/snap`. */
export interface SnapFile {
  /** The v2 store as a JSON document in UTF-8. */
  readonly document: Buffer
  /** The index of the last raft entry in the document; this is not the store's index. */
  readonly raftIndex: number
}

/** Whether this may be a .snap file, which begins with field 1 or 2, as no text does. */
export function looksLikeSnapFile(content: Buffer): boolean {
  return content[0] === 0x08 || content[0] === 0x12
}

/**
 * Reads a .snap file. The file is a `snappb.Snapshot`: field 1 is the CRC-32C of field 2, the data.
 * The data is a `raftpb.Snapshot`: field 1 is the store, field 2 the metadata, whose field 2 is the
 * raft index. A checksum of 0 means an empty snapshot, as in etcd.
 *
 * @throws TransferError if any byte differs from what etcd wrote
 */
export function readSnapFile(content: Buffer): SnapFile {
  const envelope = parse(content, 'it is truncated, or no .snap file')
  const crc = envelope.get(1) ?? 0
  const data = envelope.get(2)
  if (crc === 0 || !Buffer.isBuffer(data) || data.length === 0) {
    throw new TransferError('it holds no snapshot')
  }
  if (crc !== CRC32C.buf(data) >>> 0) {
    throw new TransferError('its checksum does not match: the file is damaged')
  }
  const snapshot = parse(data, 'its content is no snapshot')
  const metadata = snapshot.get(2)
  const document = snapshot.get(1)
  const raftIndex = Buffer.isBuffer(metadata) && parse(metadata, 'its metadata is broken').get(2)
  if (typeof raftIndex !== 'number') throw new TransferError('its metadata is broken')
  if (!Buffer.isBuffer(document) || document.length === 0) {
    throw new TransferError('it holds no v2 store')
  }
  return { document, raftIndex }
}

function parse(message: Buffer, otherwise: string): Map<number, number | Buffer> {
  try {
    return readMessage(message)
  } catch (error) {
    throw error instanceof ProtobufError ? new TransferError(otherwise) : error
  }
}
