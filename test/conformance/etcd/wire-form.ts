import { StoreError } from '../../../src/store/errors.ts'
import type { Event, NodeExtern } from '../../../src/store/event.ts'
import { bytesToText } from '../../../src/store/text.ts'
import { type EtcdError, type EtcdNode, type EtcdReply, isError } from './etcd-client.ts'

/** A node in the form in which both sides are compared. */
export interface WireNode {
  key: string
  dir: boolean
  value: string | undefined
  /** Unix milliseconds. */
  expiration: number | undefined
  ttl: number | 'fits' | undefined
  nodes: WireNode[]
  modifiedIndex: number
  createdIndex: number
}

export interface WireEvent {
  action: string
  index: number
  node: WireNode
  prevNode: WireNode | undefined
}

export type WireReply = WireEvent | EtcdError

/** The time between which a reply was made, in Unix milliseconds. */
export interface Span {
  start: number
  end: number
}

/** Whether this TTL in seconds, rounded up, was right at some moment in the span. */
function ttlFits(ttl: number, expiration: number, span: Span): boolean {
  const most = Math.ceil((expiration - span.start + 1) / 1000)
  const least = Math.ceil((expiration - span.end - 1) / 1000)
  return ttl >= least && ttl <= most
}

function ttlForm(ttl: number | undefined, expiration: number | undefined, span: Span) {
  if (expiration === undefined) return ttl
  // etcd leaves out a 0.
  return ttlFits(ttl ?? 0, expiration, span) ? 'fits' : (ttl ?? 0)
}

/** Sorts a listing, so that it is compared as a set, unless the request asked for sorting. */
function listing(nodes: WireNode[], sorted: boolean): WireNode[] {
  return sorted ? nodes : nodes.sort((a, b) => (a.key < b.key ? -1 : 1))
}

export function etcdNode(node: EtcdNode, sorted: boolean, span: Span): WireNode {
  const expiration = node.expiration === undefined ? undefined : Date.parse(node.expiration)
  return {
    key: node.key ?? '/',
    dir: node.dir === true,
    value: node.value,
    expiration,
    ttl: ttlForm(node.ttl, expiration, span),
    nodes: listing(
      (node.nodes ?? []).map((child) => etcdNode(child, sorted, span)),
      sorted,
    ),
    modifiedIndex: node.modifiedIndex ?? 0,
    createdIndex: node.createdIndex ?? 0,
  }
}

export function etcdForm(reply: EtcdReply, sorted: boolean, span: Span): WireReply {
  const { body, index } = reply
  if (isError(body)) return { ...body, cause: body.cause ?? '/' }
  return {
    action: body.action,
    index,
    node: etcdNode(body.node, sorted, span),
    prevNode: body.prevNode && etcdNode(body.prevNode, sorted, span),
  }
}

export function storeNode(node: NodeExtern, sorted: boolean, span: Span): WireNode {
  return {
    key: bytesToText(node.key),
    dir: node.dir,
    value: node.value === undefined ? undefined : bytesToText(node.value),
    expiration: node.expiration,
    ttl: ttlForm(node.ttl, node.expiration, span),
    nodes: listing(
      (node.nodes ?? []).map((child) => storeNode(child, sorted, span)),
      sorted,
    ),
    modifiedIndex: node.modifiedIndex,
    createdIndex: node.createdIndex,
  }
}

export function storeForm(event: Event, sorted: boolean, span: Span): WireEvent {
  return {
    action: event.action,
    index: event.index,
    node: storeNode(event.node, sorted, span),
    prevNode: event.prevNode && storeNode(event.prevNode, sorted, span),
  }
}

/** A store's error as etcd shows it. @throws the error if it is not a StoreError */
export function storeErrorForm(error: unknown): EtcdError {
  if (!(error instanceof StoreError)) throw error
  // The message is the text of the code, then the cause in parentheses.
  const message = error.message.slice(0, -(error.cause.length + 3))
  const cause = bytesToText(error.cause)
  return { errorCode: error.code, message, cause, index: error.index }
}
