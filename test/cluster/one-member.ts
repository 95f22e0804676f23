import { startMembers } from './members.ts'

/** Starts a member of etcd for all tests of a run. */
export default async function setup(): Promise<() => Promise<void>> {
  const members = await startMembers(1)
  process.env.KTREE_ETCD = members.urls[0]
  return members.stop
}
