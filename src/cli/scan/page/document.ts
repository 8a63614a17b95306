/** A page to send to a colleague: it loads nothing, and forbids every request. Pure. */
import { createHash } from 'node:crypto'
import { STYLE } from './style.ts'
import { escapeHtml } from './svg.ts'

const rowOf = (tag: 'th' | 'td', cells: readonly string[]): string =>
  `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`

/** @param header and rows of plain text */
export const htmlTable = (
  header: readonly string[],
  rows: readonly (readonly string[])[]
): string =>
  `<div class="table"><table><thead>${rowOf('th', header)}</thead><tbody>` +
  `${rows.map((row) => rowOf('td', row)).join('\n')}</tbody></table></div>`

/** Forbids every request, so that a mistake on the page could not send anything. */
const policyOf = (script: string | null): string => {
  const allowed =
    script === null
      ? ''
      : `; script-src 'sha256-${createHash('sha256').update(script).digest('base64')}'`
  return `default-src 'none'; style-src 'unsafe-inline'${allowed}`
}

interface HtmlDocument {
  /** plain text */
  title: string
  /** HTML */
  body: string
  /** null: it runs none */
  script: string | null
}

/** @returns a whole HTML document */
export const htmlDocument = ({ title, body, script }: HtmlDocument): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyOf(script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${body}
${script === null ? '' : `<script>${script}</script>`}
</body>
</html>
`
