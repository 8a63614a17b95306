/** Signals a process together with all that it has started: the group of one that was spawned as `detached`. */

/**
 * Does nothing to a group without a process left.
 * @param group id of the first process; undefined where it could not be started
 */
export const signalGroup = (group: number | undefined, signal: NodeJS.Signals): void => {
  if (group === undefined) return
  try {
    process.kill(-group, signal)
  } catch {
    // it has ended
  }
}
