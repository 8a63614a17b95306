/** Labelled streams: the row format and a reader. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { ChatMessage } from '../../../src/openai/chat.ts'

export interface Gold {
  kind: string
  group: string | null
  is_template: boolean
  variant?: string
  conversation_id?: string
  turn?: number
}

export interface StreamRow {
  id: string
  /** 0 to 1 */
  t: number
  messages: ChatMessage[]
  response: string | null
  gold: Gold
}

/** Rows of a JSONL file in the file's order, one in memory at a time. */
export async function* readStream(path: string): AsyncIterable<StreamRow> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line.trim() !== '') yield JSON.parse(line) as StreamRow
  }
}
