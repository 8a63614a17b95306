/** When the sample of traffic came that an internalization is judged by. */
import { minuteText } from '../days.ts'
import { HOUR_MS } from '../log/traffic-hours.ts'
import { lastOf, type NonEmpty } from '../lists.ts'

export interface HoldoutTime {
  /** of the first and of the last exchange, milliseconds since the epoch */
  from: number
  until: number
  /** hours by the clock that have an exchange of it */
  hours: number
}

/** @param times of the exchanges in their order, milliseconds since the epoch */
export const holdoutTimeOf = (times: NonEmpty<number>): HoldoutTime => ({
  from: times[0],
  until: lastOf(times),
  hours: new Set(times.map((at) => Math.floor(at / HOUR_MS))).size,
})

interface HeldOut {
  /** record ids of the sample of traffic */
  holdoutRecordIds: readonly string[]
  holdout: HoldoutTime
  earlierTries: number
}

/** One sentence for people. */
export const holdoutText = ({ holdoutRecordIds, holdout, earlierTries }: HeldOut): string => {
  const { from, until, hours } = holdout
  const tries =
    earlierTries === 0
      ? ''
      : `; ${earlierTries} earlier ${earlierTries === 1 ? 'try was' : 'tries were'} judged on some of the same rows`
  return (
    `held out: ${holdoutRecordIds.length} requests from ${minuteText(from)} to ${minuteText(until)} UTC, ` +
    `in ${hours} ${hours === 1 ? 'hour' : 'hours'}${tries}`
  )
}
