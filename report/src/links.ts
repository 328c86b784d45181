/** Where molecules of known databases are described, by their ids. */

const PLACES: [RegExp, (id: string) => string][] = [
  [/^HMDB\d+$/, (id) => `https://hmdb.ca/metabolites/${id}`],
  [/^(CHEBI:)\d+$/i, (id) => `https://www.ebi.ac.uk/chebi/${id.toUpperCase()}`],
  [/^LM[A-Z]{2}\w{6,14}$/, (id) => `https://www.lipidmaps.org/databases/lmsd/${id}`],
  [/^SLM:\d+$/, (id) => `https://www.swisslipids.org/#/entity/${id}/`],
  [/^C\d{5}$/, (id) => `https://www.kegg.jp/entry/${id}`],
  [/^CID:?\d+$/i, (id) => `https://pubchem.ncbi.nlm.nih.gov/compound/${id.replace(/\D/g, "")}`],
];

/** Where an id is described; a search by name where the id is of no database known here. */
export function linkOf(id: string, name: string): string {
  const place = PLACES.find(([pattern]) => pattern.test(id));
  return place ? place[1](id) : `https://pubchem.ncbi.nlm.nih.gov/#query=${encodeURIComponent(name)}`;
}
