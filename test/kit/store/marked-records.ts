/** Records of which one has a text that is looked for after it was forgotten. */
import type { ExchangeRecord } from '../../../src/core/log/record.ts'
import { exampleRecord } from '../records/examples.ts'

export const MARKER = 'Zyxomma-petiolatum'

/** Short enough to be stored uncompressed, so its bytes can be found in the file. */
export const shortRecord = (index: number, query: string, changes: Partial<ExchangeRecord> = {}) =>
  exampleRecord(index, {
    request: JSON.stringify({
      messages: [
        { role: 'system', content: 'Name the intent of the message, in one word. '.repeat(2) },
        { role: 'user', content: query },
      ],
    }),
    ...changes,
  })

/** The others are stored as a difference to the request of record 0, which has the marker. */
export const MARKED = Array.from({ length: 51 }, (_, index) =>
  shortRecord(index, index === 0 ? MARKER : `question ${index}`)
)
