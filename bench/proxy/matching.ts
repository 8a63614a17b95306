/** Part `matching`: recognizing a request beside one `JSON.parse` of the same body. */
import { execFileSync } from 'node:child_process'
import { spread, withBar } from '../../test/kit/report.ts'
import type { MatchingSample } from './matching-process.ts'
import type { Part } from './part.ts'

export const MATCHING_PROCESS = 'bench/proxy/matching-process.ts'

const MATCH_BAR = 2
const SAMPLES_PER_ROUND = 5
/** Seconds of one of its three measurements; all three take as long as a round of the other parts. */
const sampleMs = (seconds: number): number => (seconds * 1000) / SAMPLES_PER_ROUND / 3

export const matching: Part = async ({ settings: { rounds, seconds }, pathOf }, add) => {
  const samples: MatchingSample[] = []
  for (let i = 0; i < rounds; i++) {
    const sizes = [SAMPLES_PER_ROUND, sampleMs(seconds)].map(String)
    const output = execFileSync(process.execPath, [pathOf(MATCHING_PROCESS), ...sizes])
    samples.push(...(JSON.parse(output.toString()) as MatchingSample[]))
  }
  const of = (read: (sample: MatchingSample) => number, unit: string) =>
    spread(samples.map(read), unit)
  add({
    match_vs_json_parse: withBar(
      of(({ hitUs, jsonParseUs }) => hitUs / jsonParseUs, 'ratio'),
      '<=',
      MATCH_BAR
    ),
    miss_vs_json_parse: of(({ missUs, jsonParseUs }) => missUs / jsonParseUs, 'ratio'),
    match_us: of(({ hitUs }) => hitUs, 'µs'),
    miss_us: of(({ missUs }) => missUs, 'µs'),
    json_parse_us: of(({ jsonParseUs }) => jsonParseUs, 'µs'),
  })
}
