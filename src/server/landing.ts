/** What a person sees who opens the server's address in a browser, or asks it with curl. */
import type { Context } from 'hono'

const PEOPLE = '/admin'

const LINES = [
  'This is promptintern-proxy. It answers clients of the OpenAI API.',
  'Clients use this address with /v1 as their base URL.',
]

const HTML = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>promptintern</title>
<h1>promptintern</h1>
${LINES.map((line) => `<p>${line}</p>`).join('\n')}
<p>People use <a href="${PEOPLE}">the page</a>.</p>
</html>
`

const TEXT = `${[...LINES, `People use the page at ${PEOPLE}.`].join('\n')}\n`

/** It needs no key, so it says nothing that a stranger may not know. */
export const landing = (context: Context): Response => {
  context.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'")
  const isBrowser = context.req.header('accept')?.includes('text/html') === true
  return isBrowser ? context.html(HTML) : context.text(TEXT)
}
