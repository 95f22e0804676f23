/** Why a user may not make a request. */
export interface Denial {
  readonly kind: 'command' | 'key' | 'channel'
  /** The place of the key or the channel in the request; 0 where the whole tree is meant. */
  readonly at: number
  /** What is below the key is forbidden, and not the key itself. */
  readonly below: boolean
}
