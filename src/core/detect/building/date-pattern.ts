/**
 * Patterns of dates and times in figures and in prose, in English, German, French, Spanish, Italian,
 * Portuguese, Dutch, Polish, Chinese, Japanese and Korean. Case is ignored, quantifiers are bounded.
 */

const either = (words: string): string => `(?:${words.trim().split(/\s+/u).join('|')})`

const MONTH = either(`
  january february march april may june july august september october november december
  januar jänner februar märz mai juni juli oktober dezember
  janvier février fevrier mars avril juin juillet août aout septembre octobre novembre décembre decembre
  enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
  gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
  janeiro fevereiro março marco maio junho julho setembro outubro novembro dezembro
  januari februari maart mei augustus
  stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
`)
/** short forms are words of other languages, so they need a year */
const SHORT_MONTH = either(`
  jan feb mar apr jun jul aug sept sep oct nov dec mär mrz okt dez
  janv févr avr juil déc ene abr ago dic gen mag giu lug set ott fev mai out mrt
`)
const WEEKDAY = either(`
  monday tuesday wednesday thursday friday saturday sunday mon tues tue wed thurs thur thu fri sat sun
  montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
  lundi mardi mercredi jeudi vendredi samedi dimanche
  lunes martes miércoles miercoles jueves viernes sábado sabado domingo
  lunedì martedì mercoledì giovedì venerdì sabato domenica
  segunda-feira terça-feira quarta-feira quinta-feira sexta-feira
  maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
  poniedziałek wtorek środa czwartek piątek sobota niedziela
`)

const DAY = '\\d{1,2}(?:st|nd|rd|th|er|º|°|\\.)?'
const OF = "(?: de | del | of | d['’]| )"
const BEFORE_DAY = `(?:${WEEKDAY}\\.?,? (?:the |der |den |dem |le |el |il |dia |de )?)?`

const IN_FIGURES =
  '\\d{4}[-/.]\\d{1,2}[-/.]\\d{1,2}|\\d{1,2}[-/.]\\d{1,2}[-/.]\\d{2,4}|\\d{1,2}\\. \\d{1,2}\\. \\d{4}'
const DAY_FIRST = `${DAY}${OF}(?:${MONTH}(?:,?${OF}\\d{4})?|${SHORT_MONTH}\\.?,?${OF}\\d{4})`
const MONTH_FIRST = `${MONTH} (?:the )?\\d{1,2}(?:st|nd|rd|th)?(?:,? \\d{4})?|${SHORT_MONTH}\\.? \\d{1,2}(?:st|nd|rd|th)?,? \\d{4}`
const MONTH_AND_YEAR = `(?:${MONTH}|${SHORT_MONTH}\\.?),?${OF}\\d{4}`
/** needs no border, because these languages write no spaces */
export const EAST_ASIAN_DATE =
  '\\d{4} ?[年년] ?\\d{1,2} ?[月월] ?\\d{1,2} ?[日일](?: ?[(（]?(?:星期|周)?[一二三四五六日月火水木金土월화수목금토일](?:曜日|요일)?[)）]?)?'

/** A whole date, with the weekday before it. */
export const DATE = `(?:${BEFORE_DAY}(?:${IN_FIGURES}|${DAY_FIRST}|${MONTH_FIRST})|${MONTH_AND_YEAR})`

/** A weekday or a month alone: a typed value only where it is the whole value. */
export const DAY_OR_MONTH = `${WEEKDAY}|${MONTH}`

export const TIME =
  '(?:\\d{1,2}:\\d{2}(?::\\d{2}(?:\\.\\d{1,9})?)?(?: ?[ap]\\.?m\\.?)?(?: ?(?:z|utc|gmt|cest|cet|[+-]\\d{2}:?\\d{2}))?(?: uhr)?|\\d{1,2} ?(?:[ap]\\.?m\\.?|uhr)|\\d{1,2}h\\d{2})'

/** A time with the word that joins it to a date. */
export const TIME_AFTER_DATE = `(?:t|,? (?:at |um |à |a las |alle |alle ore |às |om |o )?)${TIME}`
