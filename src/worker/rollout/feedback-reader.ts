/** Reads the feedback on live routes, in pages, and sums what users say of both sides. */
import { OutcomeSums, type OutcomeFigures } from '../../core/outcomes/outcome-figures.ts'
import type { Store } from '../../store/store.ts'

const PAGE = 5_000
/** Users may change their ratings all the time, and after a change all feedback of the route is read. */
const READ_AGAIN_MS = 60_000

export interface ReadRoute {
  lora: string
  /** no request of the template has a second turn, so each is a conversation */
  isSingle: boolean
  /** the difference that is allowed, in (0, 1) */
  margin: number
}

interface Read {
  sums: OutcomeSums
  revision: number
  /** when all of it was read, milliseconds since the epoch */
  at: number
}

export class FeedbackReader {
  private readonly store: Pick<Store, 'feedback'>
  private readonly now: () => number
  private readonly known = new Map<string, Read>()

  /** @param options.now milliseconds since the epoch */
  constructor(options: { store: Pick<Store, 'feedback'>; now: () => number }) {
    this.store = options.store
    this.now = options.now
  }

  /** Forgets what it knows of other routes. @param loras of the live routes */
  keepOnly(loras: ReadonlySet<string>): void {
    for (const lora of this.known.keys()) if (!loras.has(lora)) this.known.delete(lora)
  }

  /** The figures of the feedback by now. Changed feedback counts within a minute. */
  async figures(route: ReadRoute): Promise<OutcomeFigures> {
    const { feedback } = this.store
    const { sums } = await this.current(route)
    for (;;) {
      const page = await feedback.drawn(route.lora, sums.lastPlace, PAGE)
      sums.read(page)
      if (page.length < PAGE) return sums.figures(this.now())
    }
  }

  /** What was read before, or a new beginning where feedback was changed since then. */
  private async current({ lora, isSingle, margin }: ReadRoute): Promise<Read> {
    // before the feedback: a change while it is read makes it read again
    const revision = await this.store.feedback.revision(lora)
    const [known, at] = [this.known.get(lora), this.now()]
    // a clock that was set back must not hold it up
    const isRecent = known !== undefined && Math.abs(at - known.at) < READ_AGAIN_MS
    if (known !== undefined && (known.revision === revision || isRecent)) return known
    const read = { sums: new OutcomeSums({ isSingle, margin, revision }), revision, at }
    this.known.set(lora, read)
    return read
  }
}
