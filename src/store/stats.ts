/** Successes and failures by operation, named as in etcd's `/v2/stats/store`. */
export class Stats {
  getsSuccess = 0
  getsFail = 0
  setsSuccess = 0
  setsFail = 0
  deleteSuccess = 0
  deleteFail = 0
  updateSuccess = 0
  updateFail = 0
  createSuccess = 0
  createFail = 0
  compareAndSwapSuccess = 0
  compareAndSwapFail = 0
  compareAndDeleteSuccess = 0
  compareAndDeleteFail = 0
  expireCount = 0

  clone(): Stats {
    return Object.assign(new Stats(), this)
  }

  reset(): void {
    Object.assign(this, new Stats())
  }
}

/** The counters, in the order in which they are shown. */
export const STAT_NAMES = Object.keys(new Stats()) as (keyof Omit<Stats, 'clone' | 'reset'>)[]
