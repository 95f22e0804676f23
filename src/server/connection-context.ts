import type { Dispatcher } from '../request/dispatcher.ts'
import type { FrameDecoder } from '../resp/frame-decoder.ts'
import type { RequestLimits } from '../resp/request-limits.ts'
import type { OutputContext } from './output.ts'
import type { RepeatedWarnings } from './repeated-warnings.ts'
import type { Turn } from './turn.ts'

/** The parts of a server that all of its connections share. */
export interface ConnectionContext extends OutputContext {
  readonly dispatcher: Dispatcher
  readonly turn: Turn
  readonly requestLimits: RequestLimits
  readonly frameDecoder: FrameDecoder
  /** Of what clients do that may have no password. */
  readonly warnings: RepeatedWarnings
  /** Called after requests have been served outside a turn. */
  onServed(): void
  /** Called when clients keep so much input that all should be looked at. */
  onWaiting(): void
  /** Called every second. */
  onSurvey(): void
  /** Called when a connection has ended. @param id the client's */
  onClosed(id: number): void
}
