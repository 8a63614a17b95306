import { describe, expect, it } from 'vitest'
import { createRepaint } from '../../src/cli/rollout/repaint.ts'

const terminal = (columns: number, rows: number) => {
  const written: string[] = []
  return { columns, rows, written, write: (text: string) => written.push(text) }
}

const UP_3 = '\u001b[3A'
const CLEAR = '\r\u001b[J'

describe('drawing over', () => {
  it('goes up by the lines of the text before, and clears what is below', () => {
    const screen = terminal(80, 24)
    const draw = createRepaint(screen)
    draw('a\nb\nc')
    draw('d')
    expect(screen.written).toEqual([`${CLEAR}a\nb\nc\n`, `${UP_3}${CLEAR}d\n`])
  })

  it('cuts lines that would wrap, and lines that would leave the screen', () => {
    const screen = terminal(5, 3)
    createRepaint(screen)('123456\n12345\nthird')
    expect(screen.written).toEqual([`${CLEAR}1234…\n12345\n`])
  })

  it('cuts nothing on a terminal of unknown size', () => {
    const screen = terminal(0, 0)
    createRepaint(screen)('123456\nsecond')
    expect(screen.written).toEqual([`${CLEAR}123456\nsecond\n`])
  })
})
