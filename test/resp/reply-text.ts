import { SourcePart, ValuePart } from '../../src/resp/reply-parts.ts'
import { type ReplyPart, ReplyWriter } from '../../src/resp/reply-writer.ts'

/** All that a writer would send, as a binary string. Sources are used up. */
export function textOf(writer: ReplyWriter): string {
  return textOfParts(writer.parts) + writer.bytes.toString('latin1')
}

/** All that parts would send, as a binary string. Sources are used up. */
export function textOfParts(parts: readonly ReplyPart[]): string {
  return parts.map(textOfPart).join('')
}

function textOfPart(part: ReplyPart): string {
  if (part instanceof ValuePart) return part.value.toString('latin1')
  if (!(part instanceof SourcePart)) return part.toString('latin1')
  const writer = new ReplyWriter()
  writer.protocol = part.protocol
  let text = ''
  for (let more = true; more; ) {
    more = part.source.next(writer)
    text += textOfParts(writer.takeParts())
  }
  return text
}
