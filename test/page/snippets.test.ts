/** A request as a program sends it: what is copied is run, so no text of a request or an address is. */
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { snippetsOf } from '../../src/admin/page/try/snippets.ts'

/** Ends a line, a string, a heredoc, a comment or a text of a template, in one of the languages. */
const HOSTILE = 'a\'"\\$(echo x)`echo x`${1}\nEND\nEND\r\u2028"""\'\'\'\0#{x}%s*/'
/** What a terminal runs or turns around when it is pasted or shown. */
const UNSEEN = '\u007f\u009b31m\u202e\u2066\ufeff'

const request = (content: string) => ({ model: 'm', messages: [{ role: 'user', content }] })

const textOf = (name: string, baseUrl: string, content: string): string =>
  snippetsOf(baseUrl, request(content)).find((snippet) => snippet.name === name)!.text

/** As a shell runs it, with a `curl` that writes its arguments, and what it reads. */
const inShell = (text: string): string =>
  execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; cat; }\n${text}`], {
    encoding: 'utf8',
    env: { OPENAI_API_KEY: 'the-key', PATH: process.env['PATH'] },
  })

describe('a snippet', () => {
  it('has the same request for curl, whatever is in it', () => {
    const out = inShell(textOf('curl', 'http://a.example/v1', HOSTILE + UNSEEN))
    expect(JSON.parse(out.slice(out.indexOf('\n{')))).toEqual(request(HOSTILE + UNSEEN))
    expect(out).toContain('authorization: Bearer the-key')
  })

  it('has the same request for Node', () => {
    const [, json] = /create\((.*)\)\nconsole/s.exec(
      textOf('Node', 'http://a.example/v1', HOSTILE + UNSEEN)
    )!
    expect(JSON.parse(json!)).toEqual(request(HOSTILE + UNSEEN))
  })

  it.each(['curl', 'Node', 'Python'])('has no character for %s that is not seen', (name) => {
    // oxlint-disable-next-line no-control-regex
    expect(textOf(name, 'http://a.example/v1', UNSEEN)).not.toMatch(
      /[\u007f-\u009f\u202e\u2066\ufeff]/
    )
  })

  // all of it may be in the host of an address
  it('has an address that runs nothing', () => {
    const address = `${new URL(`http://';id;'"$(id)\`id\`&{a,b}`).origin}/v1`
    expect(inShell(textOf('curl', address, 'a')).split('\n')[1]).toBe(`${address}/chat/completions`)
    const [, literal] = /baseURL: (.*) \}\)/.exec(textOf('Node', address, 'a'))!
    expect(JSON.parse(literal!)).toBe(address)
    expect(textOf('Python', address, 'a')).toContain(`base_url=${JSON.stringify(address)}`)
  })
})
