/** Filters of a list: a form that is an address, so that what it shows can be kept and sent. */
import type { Child } from 'hono/jsx'
import { visibleText } from './visible-text.ts'

export interface FilterProps {
  /** address of the list without a filter */
  path: string
  isFiltered: boolean
  children?: Child
}

export const Filter = ({ path, isFiltered, children }: FilterProps) => (
  <form method="get" action={path} class="filter" role="search">
    {children}
    <button>Filter</button>
    {isFiltered && <a href={path}>Show all</a>}
  </form>
)

export interface FieldProps {
  name: string
  label: string
  value: string
}

const idOf = (name: string): string => `filter-${name}`

export const TextFilter = ({ name, label, value }: FieldProps) => (
  <div>
    <label for={idOf(name)}>{label}</label>
    <input id={idOf(name)} name={name} value={value} autocomplete="off" maxlength={200} />
  </div>
)

/** @param value `2026-11-29T10:00`, in UTC */
export const TimeFilter = ({ name, label, value }: FieldProps) => (
  <div>
    <label for={idOf(name)}>{label}</label>
    <input id={idOf(name)} name={name} type="datetime-local" value={value} />
  </div>
)

/** @param options values with their words; the value '' shows all */
export const ChoiceFilter = ({
  name,
  label,
  value,
  options,
}: FieldProps & { options: [value: string, words: string][] }) => (
  <div>
    <label for={idOf(name)}>{label}</label>
    <select id={idOf(name)} name={name}>
      {[['', 'all'] as const, ...options].map(([option, words]) => (
        <option value={option} selected={option === value}>
          {visibleText(words)}
        </option>
      ))}
    </select>
  </div>
)

export interface PagerProps {
  /** where one is */
  said?: string
  /** words and address of each link; null: there is none */
  links: [words: string, address: string | null][]
}

/** To the other pages of a list; nothing where there is only one and nothing is said. */
export const Pager = ({ said, links }: PagerProps) => {
  const known = links.flatMap(([words, address]) =>
    address === null ? [] : [<a href={address}>{words}</a>]
  )
  if (said === undefined && known.length === 0) return null
  return (
    <nav aria-label="Pages" class="pager">
      {said !== undefined && <span>{said}</span>}
      {known}
    </nav>
  )
}

/** Of a list whose rows are all known. @param wanted from 1 on; beyond the last page it is the last one */
export const pageOf = <Row,>(rows: readonly Row[], wanted: number, size: number) => {
  const pages = Math.max(1, Math.ceil(rows.length / size))
  const page = Math.min(Math.max(1, wanted), pages)
  return { page, pages, rows: rows.slice((page - 1) * size, page * size) }
}

interface PagesProps extends Pick<PagerProps, 'said'> {
  page: number
  pages: number
  addressOf: (page: number) => string
}

/** To the page before and the next one. */
export const Pages = ({ said, page, pages, addressOf }: PagesProps) => (
  <Pager
    said={said}
    links={[
      ['Previous page', page > 1 ? addressOf(page - 1) : null],
      ['Next page', page < pages ? addressOf(page + 1) : null],
    ]}
  />
)
