/** The end of the demo: figures before and after, and what to do next. */
import type { Figure } from '../test/kit/report.ts'
import { percent } from '../src/core/figure-text.ts'
import type { Prices } from './measure.ts'
import type { Measured } from './result.ts'
import type { Screen } from './screen.ts'

const ms = ({ value }: Figure): string => Number(value).toFixed(1)
const nothing = (): string => ''

const ROWS: readonly (readonly [string, (m: Measured) => string, (m: Measured) => string])[] = [
  [
    'prompt tokens',
    ({ promptTokensBefore }) => promptTokensBefore.toFixed(0),
    ({ promptTokensAfter }) => promptTokensAfter.toFixed(0),
  ],
  ['  of all requests', nothing, ({ promptTokensRouted }) => promptTokensRouted.toFixed(0)],
  [
    'first token, ms',
    ({ latencies }) => ms(latencies.full.firstToken),
    ({ latencies }) => ms(latencies.adapted.firstToken),
  ],
  ['  prefix cached', ({ latencies }) => ms(latencies.fullCached.firstToken), nothing],
  [
    'last token, ms',
    ({ latencies }) => ms(latencies.full.lastToken),
    ({ latencies }) => ms(latencies.adapted.lastToken),
  ],
  ['  prefix cached', ({ latencies }) => ms(latencies.fullCached.lastToken), nothing],
  [
    'USD, 1M requests',
    ({ usdPerMillionBefore }) => usdPerMillionBefore.toFixed(2),
    ({ usdPerMillionAfter }) => usdPerMillionAfter.toFixed(2),
  ],
  ['answered', nothing, ({ coverage }) => percent(coverage)],
  ['  like the upstream', nothing, ({ agreement }) => percent(agreement)],
]

/** @param names of the applications that were measured */
export const showClosing = (
  screen: Screen,
  names: string[],
  measured: Measured[],
  prices: Prices
): void => {
  measured.forEach(({ promptTokensBefore, promptTokensAfter }, index) =>
    screen.compare(`${names[index]}: prompt tokens`, promptTokensBefore, promptTokensAfter)
  )
  screen.say('')
  screen.table([
    ['', ...names.flatMap((name) => [`${name} before`, `${name} now`])],
    ...ROWS.map(([name, before, now]) => [
      name,
      ...measured.flatMap((one) => [before(one), now(one)]),
    ]),
  ])
  screen.say(
    `${measured[0]!.requests} requests each; milliseconds are medians of one request at a time. ` +
      `Prices: ${prices.input} USD a million prompt tokens, ${prices.output} USD a million answer ` +
      'tokens (--price-input, --price-output); what this machine costs is not counted.'
  )
}

/** The last lines: the same for a log of one's own. README.md explains them */
export const showNextSteps = (screen: Screen, seconds: number): void => {
  screen.heading(`That took ${seconds.toFixed(0)} seconds. Next, a log of your own, in JSONL:`)
  screen.say('look at it: what recurs, what it costs, and what a route would save')
  screen.command('npx promptintern scan chats.jsonl --html look.html')
  screen.say('import it, for the key that your application uses')
  screen.command('OPENAI_API_KEY=<key> npx promptintern import chats.jsonl')
  screen.say('learn and prove; `npx promptintern models pull minilm` gets an encoder')
  screen.command('ENGINE=onnx ENCODER_PATH=<folder of the encoder> npx promptintern serve')
}
