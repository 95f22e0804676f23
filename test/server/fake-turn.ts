import type { Subscriptions } from '../../src/pubsub/subscriptions.ts'
import type { ServerClock } from '../../src/request/clock.ts'
import type { FrameDecoder } from '../../src/resp/frame-decoder.ts'
import { Turn } from '../../src/server/turn.ts'
import type { Store } from '../../src/store/store.ts'

const ignore = (): void => undefined

/** A turn that has only a clock, and somebody who answers for its errors. */
export function turnOf(
  clock: Pick<ServerClock, 'begin' | 'end' | 'lastLap'>,
  server: ConstructorParameters<typeof Turn>[6],
): Turn {
  const nothing = { refill: ignore, lookAhead: ignore, flush: ignore }
  return new Turn(
    nothing as unknown as Store,
    clock as unknown as ServerClock,
    nothing as unknown as FrameDecoder,
    nothing as unknown as Subscriptions,
    ignore,
    { waitsForDisk: false, commit: ignore },
    server,
  )
}
