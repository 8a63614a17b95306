/** Words of five languages with which faults are planted. Data alone. */

export interface FaultWords {
  /** frequent words that tell the language */
  common: string[]
  months: string[]
  weekdays: string[]
  /** what affirms, and what denies the same; each replaces the other */
  negations: [affirmed: string, denied: string][]
  /** a sentence around an invented identifier, name and day of a month */
  invention: (identifier: string, name: string, day: number) => string
  /** the answer in this language, as a frame around its facts */
  frame: (facts: string) => string
}

const list = (words: string): string[] => words.split(' ')

const pairs = (written: string): [affirmed: string, denied: string][] =>
  written.split(/,\s+/).map((pair) => {
    const [affirmed = '', denied = ''] = pair.split('/')
    return [affirmed, denied]
  })

export const FAULT_WORDS: Record<string, FaultWords> = {
  en: {
    common: list('the and your you we is are will with for that this have from please'),
    months: list(
      'January February March April May June July August September October November December'
    ),
    weekdays: list('Monday Tuesday Wednesday Thursday Friday Saturday Sunday'),
    negations:
      pairs(`can/cannot, can/can't, will/won't, do/don't, does/doesn't, is/isn't, are/aren't, has/hasn't,
      have/haven't, is/is not, are/are not, was/was not, were/were not, will/will not, has/has not,
      have/have not, should/should not, must/must not, may/may not, can/can not`),
    invention: (identifier, name, day) =>
      `Please also send form ${identifier} to ${name} before the ${day}th of the month.`,
    frame: (facts) => `Your request has been processed. Details: ${facts}.`,
  },
  de: {
    common: list('der die das und Sie wir ist sind wird mit für nicht Ihre ein eine bitte'),
    months: list(
      'Januar Februar März April Mai Juni Juli August September Oktober November Dezember'
    ),
    weekdays: list('Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag'),
    negations:
      pairs(`ein/kein, eine/keine, einen/keinen, ist/ist nicht, sind/sind nicht, wird/wird nicht,
      werden/werden nicht, wurde/wurde nicht, kann/kann nicht, können/können nicht, hat/hat nicht,
      haben/haben nicht`),
    invention: (identifier, name, day) =>
      `Bitte senden Sie außerdem das Formular ${identifier} bis zum ${day}. des Monats an ${name}.`,
    frame: (facts) => `Ihre Anfrage wurde bearbeitet. Angaben: ${facts}.`,
  },
  fr: {
    common: list('le la les et vous nous est sont votre avec pour dans une des que'),
    months: list(
      'janvier février mars avril mai juin juillet août septembre octobre novembre décembre'
    ),
    weekdays: list('lundi mardi mercredi jeudi vendredi samedi dimanche'),
    negations:
      pairs(`est/n'est pas, a/n'a pas, avons/n'avons pas, avez/n'avez pas, sont/ne sont pas, sera/ne sera pas,
      seront/ne seront pas, peut/ne peut pas, peuvent/ne peuvent pas, pouvez/ne pouvez pas,
      pouvons/ne pouvons pas`),
    invention: (identifier, name, day) =>
      `Veuillez aussi envoyer le formulaire ${identifier} à ${name} avant le ${day} du mois.`,
    frame: (facts) => `Votre demande a été traitée. Détails : ${facts}.`,
  },
  es: {
    common: list('el la los las y usted su es son con para que una por del'),
    months: list(
      'enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre'
    ),
    weekdays: list('lunes martes miércoles jueves viernes sábado domingo'),
    negations:
      pairs(`es/no es, son/no son, está/no está, están/no están, será/no será, puede/no puede, pueden/no pueden,
      podemos/no podemos, ha/no ha, han/no han, hemos/no hemos`),
    invention: (identifier, name, day) =>
      `Envíe también el formulario ${identifier} a ${name} antes del día ${day} del mes.`,
    frame: (facts) => `Su solicitud ha sido tramitada. Datos: ${facts}.`,
  },
  it: {
    common: list('il lo la gli e lei è sono con per che una suo della del'),
    months: list(
      'gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre'
    ),
    weekdays: list('lunedì martedì mercoledì giovedì venerdì sabato domenica'),
    negations:
      pairs(`è/non è, sono/non sono, sarà/non sarà, saranno/non saranno, può/non può, possono/non possono,
      possiamo/non possiamo, ha/non ha, hanno/non hanno, abbiamo/non abbiamo`),
    invention: (identifier, name, day) =>
      `Invii anche il modulo ${identifier} a ${name} entro il giorno ${day} del mese.`,
    frame: (facts) => `La sua richiesta è stata elaborata. Dati: ${facts}.`,
  },
}

/** Names that replace others, and are invented. */
export const NAMES = list(
  'Keller Moreau Rossi Novak Lindholm Okafor Tanaka Alvarez Whitfield Brandt'
)
