import { randomBytes } from 'node:crypto'
import { assert, array, constantFrom, integer, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withoutAttachments } from '../../src/core/request/attachments.ts'

const stripped = (text: string): string => withoutAttachments(Buffer.from(text)).toString()

const base64 = (chars: number): string => randomBytes(chars).toString('base64').slice(0, chars)

const messages = (...parts: object[]): string =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: parts }] })

const text = { type: 'text', text: 'What is this?' }
const image = (data: string) => ({
  type: 'image_url',
  image_url: { url: `data:image/png;base64,${data}` },
})

describe('attachments', () => {
  it('are removed in every form, and the rest stays', () => {
    const holders = [
      image,
      (data: string) => ({ type: 'input_audio', input_audio: { data, format: 'wav' } }),
      (data: string) => ({ type: 'file', file: { filename: 'a.pdf', file_data: data } }),
      (data: string) => ({ b64_json: data }),
    ]
    for (const holder of holders) {
      const short = messages(text, holder('[5000 base64 characters]'), text)
      expect(stripped(messages(text, holder(base64(5000)), text))).toBe(short)
    }
  })

  it('are not removed when they are short, and the body is then returned itself', () => {
    const bodies = [
      messages(text, image(base64(1023))),
      messages({ type: 'text', text: base64(5000) }),
      messages({ type: 'text', text: 'word '.repeat(2000) }),
      '',
    ]
    for (const body of bodies) {
      const bytes = Buffer.from(body)
      expect(withoutAttachments(bytes)).toBe(bytes)
    }
  })

  it('are found at every offset', () => {
    assert(
      property(
        array(constantFrom(200, 1024, 1025, 3000, 10_000), { maxLength: 4 }),
        string({ maxLength: 3000 }),
        integer({ min: 0, max: 3000 }),
        (lengths, filling, shift) => {
          const parts = (show: (chars: number) => string): string =>
            messages(
              { type: 'text', text: ' '.repeat(shift) },
              ...lengths.flatMap((chars) => [image(show(chars)), { type: 'text', text: filling }])
            )
          const expected = parts((chars) =>
            chars < 1024 ? 'A'.repeat(chars) : `[${chars} base64 characters]`
          )
          expect(stripped(parts((chars) => 'A'.repeat(chars)))).toBe(expected)
        }
      )
    )
  })

  it('may have escaped slashes', () => {
    const data = `${'ab/'.repeat(1000)}`
    const body = messages(image(data)).replaceAll('ab/', String.raw`ab\/`)
    expect(stripped(body)).toBe(messages(image('[4000 base64 characters]')))
  })
})
