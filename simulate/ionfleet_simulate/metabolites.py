"""Central metabolites written by hand, and dipeptides made by rule.

Only neutral molecules (zwitterions included) are listed, since a database holds neutral formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

from ionfleet.formula import format_formula, parse_formula

_CENTRAL: dict[str, str] = {
    "amino acid": """
        C2H5NO2 Glycine
        C3H7NO2 Alanine
        C3H7NO2 beta-Alanine
        C3H7NO2 Sarcosine
        C3H7NO3 Serine
        C5H9NO2 Proline
        C5H11NO2 Valine
        C4H9NO3 Threonine
        C4H9NO3 Homoserine
        C3H7NO2S Cysteine
        C6H13NO2 Leucine
        C6H13NO2 Isoleucine
        C4H8N2O3 Asparagine
        C4H7NO4 Aspartic acid
        C5H10N2O3 Glutamine
        C6H14N2O2 Lysine
        C5H9NO4 Glutamic acid
        C5H11NO2S Methionine
        C6H9N3O2 Histidine
        C9H11NO2 Phenylalanine
        C6H14N4O2 Arginine
        C9H11NO3 Tyrosine
        C11H12N2O2 Tryptophan
        C3H7NO2Se Selenocysteine
        C6H12N2O4S2 Cystine
        C4H9NO2S Homocysteine
        C7H14N2O4S Cystathionine
        C5H12N2O2 Ornithine
        C6H13N3O3 Citrulline
        C10H18N4O6 Argininosuccinic acid
        C5H9NO3 4-Hydroxyproline
        C5H7NO3 Pyroglutamic acid
        C6H11NO2 Pipecolic acid
        C6H11NO4 2-Aminoadipic acid
        C11H20N2O6 Saccharopine
        C4H9NO2 4-Aminobutyric acid
        C4H9NO2 3-Aminoisobutyric acid
        C5H9NO3 5-Aminolevulinic acid
        C4H9NO2 Dimethylglycine
        C5H11NO2 Betaine
        C2H7NO3S Taurine
        C2H7NO2S Hypotaurine
        C3H7NO5S Cysteic acid
        C3H7NO4S Cysteine sulfinic acid
        C5H11NO3S Methionine sulfoxide
        C4H9N3O2 Creatine
        C4H7N3O Creatinine
        C4H10N3O5P Phosphocreatine
        C3H7N3O2 Guanidinoacetic acid
        C5H11N3O2 4-Guanidinobutanoic acid
        C8H18N4O2 Asymmetric dimethylarginine
        C7H16N4O2 Monomethylarginine
        C9H20N2O2 Trimethyllysine
        C7H11N3O2 1-Methylhistidine
        C9H15N3O2S Ergothioneine
        C4H7NO3 N-Acetylglycine
        C5H9NO3 N-Acetylalanine
        C5H9NO4 N-Acetylserine
        C6H9NO5 N-Acetylaspartic acid
        C7H11NO5 N-Acetylglutamic acid
        C7H12N2O4 N-Acetylglutamine
        C8H16N2O3 N-Acetyllysine
        C7H14N2O3 N-Acetylornithine
        C8H11N3O3 N-Acetylhistidine
        C8H15NO3 N-Acetylleucine
        C7H13NO3S N-Acetylmethionine
        C5H9NO3S N-Acetylcysteine
        C11H13NO3 N-Acetylphenylalanine
        C13H14N2O3 N-Acetyltryptophan
    """,
    "tryptophan metabolite": """
        C10H12N2O3 Kynurenine
        C11H12N2O4 N-Formylkynurenine
        C10H12N2O4 3-Hydroxykynurenine
        C10H7NO3 Kynurenic acid
        C10H7NO4 Xanthurenic acid
        C7H7NO2 Anthranilic acid
        C7H7NO3 3-Hydroxyanthranilic acid
        C7H5NO4 Quinolinic acid
        C6H5NO2 Picolinic acid
        C11H12N2O3 5-Hydroxytryptophan
        C8H7N Indole
        C9H7NO Indole-3-carboxaldehyde
        C10H9NO2 Indole-3-acetic acid
        C11H11NO2 Indole-3-propionic acid
        C11H11NO3 Indole-3-lactic acid
        C8H7NO4S Indoxyl sulfate
    """,
    "peptide": """
        C10H17N3O6S Glutathione
        C20H32N6O12S2 Glutathione disulfide
        C8H14N2O5S gamma-Glutamylcysteine
        C13H21N3O8S S-Lactoylglutathione
        C11H19N3O6 Ophthalmic acid
        C9H14N4O3 Carnosine
        C10H16N4O3 Anserine
        C10H16N4O3 Homocarnosine
        C11H16N2O8 N-Acetylaspartylglutamic acid
    """,
    "nucleobase": """
        C5H5N5 Adenine
        C5H5N5O Guanine
        C4H5N3O Cytosine
        C4H4N2O2 Uracil
        C5H6N2O2 Thymine
        C5H4N4O Hypoxanthine
        C5H4N4O2 Xanthine
        C5H4N4O3 Uric acid
        C4H6N4O3 Allantoin
        C5H7N3O 5-Methylcytosine
        C6H7N5 1-Methyladenine
        C6H7N5O 7-Methylguanine
        C4H6N2O2 Dihydrouracil
        C5H4N2O4 Orotic acid
        C5H6N2O4 Dihydroorotic acid
        C8H10N4O2 Caffeine
        C7H8N4O2 Theobromine
    """,
    "nucleoside": """
        C10H13N5O4 Adenosine
        C10H13N5O5 Guanosine
        C9H13N3O5 Cytidine
        C9H12N2O6 Uridine
        C9H12N2O6 Pseudouridine
        C9H14N2O6 Dihydrouridine
        C10H12N4O5 Inosine
        C10H12N4O6 Xanthosine
        C10H14N2O5 Thymidine
        C10H13N5O3 Deoxyadenosine
        C10H13N5O4 Deoxyguanosine
        C9H13N3O4 Deoxycytidine
        C9H12N2O5 Deoxyuridine
        C10H12N4O4 Deoxyinosine
        C11H15N5O4 N6-Methyladenosine
        C11H15N5O5 1-Methylguanosine
        C12H17N5O5 N2,N2-Dimethylguanosine
        C10H15N3O5 5-Methylcytidine
        C11H15N3O6 N4-Acetylcytidine
        C11H15N5O3S 5'-Methylthioadenosine
    """,
    "nucleotide": """
        C10H14N5O7P AMP
        C10H15N5O10P2 ADP
        C10H16N5O13P3 ATP
        C10H14N5O8P GMP
        C10H15N5O11P2 GDP
        C10H16N5O14P3 GTP
        C9H14N3O8P CMP
        C9H15N3O11P2 CDP
        C9H16N3O14P3 CTP
        C9H13N2O9P UMP
        C9H14N2O12P2 UDP
        C9H15N2O15P3 UTP
        C10H13N4O8P IMP
        C10H15N4O14P3 ITP
        C10H13N4O9P XMP
        C10H13N2O11P OMP
        C10H14N5O6P dAMP
        C10H16N5O12P3 dATP
        C10H14N5O7P dGMP
        C10H16N5O13P3 dGTP
        C9H14N3O7P dCMP
        C9H16N3O13P3 dCTP
        C9H13N2O8P dUMP
        C10H15N2O8P dTMP
        C10H16N2O11P2 dTDP
        C10H17N2O14P3 dTTP
        C10H12N5O6P Cyclic AMP
        C10H12N5O7P Cyclic GMP
        C9H15N4O8P AICAR
        C14H18N5O11P Adenylosuccinic acid
        C10H15N5O10P2 Adenosine 3',5'-bisphosphate
        C10H15N5O13P2S 3'-Phosphoadenylyl sulfate
        C15H23N5O14P2 ADP-ribose
        C15H24N2O17P2 UDP-glucose
        C15H22N2O18P2 UDP-glucuronic acid
        C17H27N3O17P2 UDP-N-acetylglucosamine
        C14H22N2O16P2 UDP-xylose
        C16H25N5O16P2 GDP-mannose
        C16H25N5O15P2 GDP-fucose
        C20H31N4O16P CMP-N-acetylneuraminic acid
        C14H26N4O11P2 CDP-choline
        C11H20N4O11P2 CDP-ethanolamine
    """,
    "sugar": """
        C6H12O6 Glucose
        C6H12O6 Fructose
        C6H12O6 myo-Inositol
        C5H10O5 Ribose
        C5H10O4 Deoxyribose
        C6H12O5 Fucose
        C4H8O4 Erythrose
        C12H22O11 Sucrose
        C12H22O11 Maltose
        C18H32O16 Maltotriose
        C24H42O21 Maltotetraose
        C30H52O26 Maltopentaose
        C6H13NO5 Glucosamine
        C8H15NO6 N-Acetylglucosamine
        C11H19NO9 N-Acetylneuraminic acid
        C11H19NO10 N-Glycolylneuraminic acid
        C6H10O7 Glucuronic acid
        C6H12O7 Gluconic acid
        C6H10O6 Gluconolactone
        C6H10O8 Glucaric acid
        C6H14O6 Sorbitol
        C5H12O5 Xylitol
        C4H10O4 Erythritol
        C3H8O3 Glycerol
        C3H6O4 Glyceric acid
        C4H8O5 Threonic acid
    """,
    "sugar phosphate": """
        C6H13O9P Glucose 6-phosphate
        C6H13O9P Fructose 6-phosphate
        C6H14O12P2 Fructose 1,6-bisphosphate
        C3H7O6P Dihydroxyacetone phosphate
        C3H7O6P Glyceraldehyde 3-phosphate
        C3H8O10P2 2,3-Bisphosphoglyceric acid
        C3H7O7P 3-Phosphoglyceric acid
        C3H5O6P Phosphoenolpyruvic acid
        C6H13O10P 6-Phosphogluconic acid
        C6H11O9P 6-Phosphogluconolactone
        C5H11O8P Ribose 5-phosphate
        C5H11O7P Deoxyribose 5-phosphate
        C5H13O14P3 Phosphoribosyl pyrophosphate
        C4H9O7P Erythrose 4-phosphate
        C7H15O10P Sedoheptulose 7-phosphate
        C7H16O13P2 Sedoheptulose 1,7-bisphosphate
        C6H14NO8P Glucosamine 6-phosphate
        C8H16NO9P N-Acetylglucosamine 6-phosphate
        C12H23O14P Trehalose 6-phosphate
        C3H9O6P Glycerol 3-phosphate
        C6H13O9P Inositol phosphate
        C6H14O12P2 Inositol bisphosphate
        C6H15O15P3 Inositol trisphosphate
        C6H16O18P4 Inositol tetrakisphosphate
        C6H17O21P5 Inositol pentakisphosphate
        C6H18O24P6 Phytic acid
    """,
    "organic acid": """
        C3H4O3 Pyruvic acid
        C3H6O3 Lactic acid
        C6H8O7 Citric acid
        C6H8O7 Isocitric acid
        C6H6O6 cis-Aconitic acid
        C5H6O5 2-Oxoglutaric acid
        C4H6O4 Succinic acid
        C4H4O4 Fumaric acid
        C4H6O5 Malic acid
        C4H4O5 Oxaloacetic acid
        C5H8O5 2-Hydroxyglutaric acid
        C5H8O4 Glutaric acid
        C6H10O4 Adipic acid
        C3H4O4 Malonic acid
        C4H6O4 Methylmalonic acid
        C5H6O4 Itaconic acid
        C7H10O7 Methylcitric acid
        C2H2O3 Glyoxylic acid
        C2H4O3 Glycolic acid
        C4H6O3 Acetoacetic acid
        C4H8O3 3-Hydroxybutyric acid
        C5H8O3 2-Oxoisovaleric acid
        C6H10O3 2-Oxoisocaproic acid
        C6H10O5 3-Hydroxymethylglutaric acid
        C6H12O4 Mevalonic acid
        C6H13O7P 5-Phosphomevalonic acid
        C5H12O7P2 Isopentenyl pyrophosphate
        C10H20O7P2 Geranyl pyrophosphate
        C15H28O7P2 Farnesyl pyrophosphate
        C20H36O7P2 Geranylgeranyl pyrophosphate
        C8H14O4 Suberic acid
        C9H16O4 Azelaic acid
        C10H18O4 Sebacic acid
        C9H8O3 Phenylpyruvic acid
        C9H10O3 Phenyllactic acid
        C9H8O4 4-Hydroxyphenylpyruvic acid
        C8H8O4 Homogentisic acid
        C9H9NO3 Hippuric acid
        C13H16N2O4 Phenylacetylglutamine
        C7H6O2 Benzoic acid
        C7H6O3 Salicylic acid
        C7H8O4S p-Cresol sulfate
        C10H10O4 Ferulic acid
        C9H8O2 Cinnamic acid
        C6H6N2O2 Urocanic acid
        C5H6N2O2 Imidazoleacetic acid
        C5H8N2O5 N-Carbamoylaspartic acid
        CH4NO5P Carbamoyl phosphate
        CH4N2O Urea
        C7H10O5 Shikimic acid
        C7H12O6 Quinic acid
        C16H18O9 Chlorogenic acid
        C6H8O6 Ascorbic acid
        C6H6O6 Dehydroascorbic acid
    """,
    "amine": """
        C2H7NO Ethanolamine
        C3H9NO Trimethylamine N-oxide
        C4H12N2 Putrescine
        C5H14N2 Cadaverine
        C7H19N3 Spermidine
        C10H26N4 Spermine
        C6H14N2O N-Acetylputrescine
        C9H21N3O N1-Acetylspermidine
        C12H28N4O N1-Acetylspermine
        C14H30N4O2 N1,N12-Diacetylspermine
        C5H14N4 Agmatine
        C5H9N3 Histamine
        C6H11N3 N-Methylhistamine
    """,
    "neurotransmitter": """
        C8H11NO2 Dopamine
        C8H11NO3 Norepinephrine
        C9H13NO3 Epinephrine
        C9H11NO4 DOPA
        C8H8O4 3,4-Dihydroxyphenylacetic acid
        C9H10O4 Homovanillic acid
        C9H10O5 Vanillylmandelic acid
        C9H13NO2 3-Methoxytyramine
        C9H13NO3 Normetanephrine
        C10H15NO3 Metanephrine
        C8H11NO Tyramine
        C8H11N Phenethylamine
        C10H12N2 Tryptamine
        C10H12N2O Serotonin
        C10H9NO3 5-Hydroxyindoleacetic acid
        C12H14N2O2 N-Acetylserotonin
        C13H16N2O2 Melatonin
    """,
    "vitamin or cofactor": """
        C6H6N2O Nicotinamide
        C6H5NO2 Nicotinic acid
        C11H15N2O8P Nicotinamide mononucleotide
        C21H27N7O14P2 NAD
        C21H29N7O14P2 NADH
        C21H28N7O17P3 NADP
        C21H30N7O17P3 NADPH
        C17H20N4O6 Riboflavin
        C17H21N4O9P FMN
        C27H33N9O15P2 FAD
        C12H17N4O4PS Thiamine monophosphate
        C12H18N4O7P2S Thiamine pyrophosphate
        C8H11NO3 Pyridoxine
        C8H9NO3 Pyridoxal
        C8H12N2O2 Pyridoxamine
        C8H10NO6P Pyridoxal 5'-phosphate
        C8H13N2O5P Pyridoxamine 5'-phosphate
        C8H9NO4 4-Pyridoxic acid
        C9H17NO5 Pantothenic acid
        C9H18NO8P 4'-Phosphopantothenic acid
        C11H22N2O4S Pantetheine
        C11H23N2O7PS 4'-Phosphopantetheine
        C10H16N2O3S Biotin
        C16H28N4O4S Biocytin
        C19H19N7O6 Folic acid
        C19H21N7O6 Dihydrofolic acid
        C19H23N7O6 Tetrahydrofolic acid
        C20H25N7O6 5-Methyltetrahydrofolic acid
        C20H23N7O7 10-Formyltetrahydrofolic acid
        C9H15N5O3 Tetrahydrobiopterin
        C9H11N5O3 Biopterin
        C9H11N5O4 Neopterin
        C15H22N6O5S S-Adenosylmethionine
        C14H20N6O5S S-Adenosylhomocysteine
        C8H14O2S2 Lipoic acid
        C20H30O Retinol
        C20H28O Retinal
        C20H28O2 Retinoic acid
        C40H56 beta-Carotene
        C40H56O2 Lutein
        C27H44O Cholecalciferol
        C27H44O2 Calcifediol
        C27H44O3 Calcitriol
        C29H50O2 alpha-Tocopherol
        C28H48O2 gamma-Tocopherol
        C31H46O2 Phylloquinone
        C31H40O2 Menaquinone-4
        C54H82O4 Ubiquinone-9
        C59H90O4 Ubiquinone-10
        C59H92O4 Ubiquinol-10
    """,
    "coenzyme A": """
        C21H36N7O16P3S Coenzyme A
        C21H35N7O13P2S Dephospho-CoA
        C23H38N7O17P3S Acetyl-CoA
        C24H40N7O17P3S Propionyl-CoA
        C24H38N7O19P3S Malonyl-CoA
        C25H42N7O17P3S Butyryl-CoA
        C25H40N7O18P3S Acetoacetyl-CoA
        C25H40N7O19P3S Succinyl-CoA
        C27H44N7O20P3S 3-Hydroxy-3-methylglutaryl-CoA
        C37H66N7O17P3S Palmitoyl-CoA
        C39H70N7O17P3S Stearoyl-CoA
        C39H68N7O17P3S Oleoyl-CoA
    """,
    "tetrapyrrole": """
        C10H14N2O4 Porphobilinogen
        C40H38N4O16 Uroporphyrin III
        C36H38N4O8 Coproporphyrin III
        C34H34N4O4 Protoporphyrin IX
        C34H32FeN4O4 Heme
        C33H34N4O6 Biliverdin
        C33H36N4O6 Bilirubin
        C33H42N4O6 Urobilin
    """,
    "carnitine": """
        C7H15NO3 Carnitine
        C7H15NO2 Deoxycarnitine
        C10H17NO6 Malonylcarnitine
        C11H19NO6 Succinylcarnitine
        C12H21NO6 Glutarylcarnitine
        C11H21NO5 3-Hydroxybutyrylcarnitine
    """,
    "lipid precursor": """
        C5H14NO4P Phosphocholine
        C2H8NO4P Phosphoethanolamine
        C8H20NO6P Glycerophosphocholine
        C5H14NO6P Glycerophosphoethanolamine
        C6H14NO8P Glycerophosphoserine
        C9H19O11P Glycerophosphoinositol
        C6H15O8P Glycerophosphoglycerol
        C18H37NO2 Sphingosine
        C18H39NO2 Sphinganine
        C18H39NO3 Phytosphingosine
        C18H38NO5P Sphingosine 1-phosphate
        C18H40NO5P Sphinganine 1-phosphate
        C24H47NO7 Psychosine
        C23H49N2O5P Sphingosylphosphocholine
    """,
    "oxylipin": """
        C20H32O5 Prostaglandin E2
        C20H34O5 Prostaglandin F2alpha
        C20H30O4 Prostaglandin J2
        C20H34O6 Thromboxane B2
        C20H32O4 Leukotriene B4
        C30H47N3O9S Leukotriene C4
        C25H40N2O6S Leukotriene D4
        C23H37NO5S Leukotriene E4
        C20H32O3 12-HETE
        C20H30O3 12-HEPE
        C22H32O3 17-HDHA
        C18H32O3 13-HODE
        C18H34O4 12,13-DiHOME
        C20H34O4 14,15-DHET
        C22H32O5 Resolvin D1
        C20H30O5 Resolvin E1
        C22H32O4 Maresin 1
    """,
    "bile acid": """
        C24H40O5 Cholic acid
        C24H40O4 Deoxycholic acid
        C24H40O4 Chenodeoxycholic acid
        C24H40O3 Lithocholic acid
        C24H38O5 7-Ketodeoxycholic acid
        C26H43NO6 Glycocholic acid
        C26H43NO5 Glycochenodeoxycholic acid
        C26H43NO4 Glycolithocholic acid
        C26H45NO7S Taurocholic acid
        C26H45NO6S Taurochenodeoxycholic acid
        C26H45NO5S Taurolithocholic acid
        C26H45NO8S2 Taurolithocholic acid sulfate
    """,
    "sterol": """
        C30H50 Squalene
        C30H50O Squalene epoxide
        C30H50O Lanosterol
        C30H52O Dihydrolanosterol
        C27H46O Cholesterol
        C27H44O Desmosterol
        C27H44O 7-Dehydrocholesterol
        C27H46O Lathosterol
        C27H48O Cholestanol
        C27H46O2 24-Hydroxycholesterol
        C27H44O2 7-Ketocholesterol
        C27H46O4S Cholesterol sulfate
        C28H48O Campesterol
        C29H50O Sitosterol
        C29H48O Stigmasterol
        C28H44O Ergosterol
        C28H46O Brassicasterol
    """,
    "steroid": """
        C21H32O2 Pregnenolone
        C21H32O5S Pregnenolone sulfate
        C21H30O2 Progesterone
        C21H34O2 Allopregnanolone
        C21H30O3 17-Hydroxyprogesterone
        C21H30O4 Corticosterone
        C21H30O4 11-Deoxycortisol
        C21H28O5 Aldosterone
        C21H28O5 Cortisone
        C21H30O5 Cortisol
        C21H34O5 Tetrahydrocortisol
        C19H28O2 Dehydroepiandrosterone
        C19H28O5S Dehydroepiandrosterone sulfate
        C19H26O2 Androstenedione
        C19H28O2 Testosterone
        C19H30O2 Dihydrotestosterone
        C18H22O2 Estrone
        C18H24O2 Estradiol
        C18H24O3 Estriol
    """,
}

_RESIDUES: dict[str, str] = {
    "Ala": "C3H5NO",
    "Arg": "C6H12N4O",
    "Asn": "C4H6N2O2",
    "Asp": "C4H5NO3",
    "Cys": "C3H5NOS",
    "Gln": "C5H8N2O2",
    "Glu": "C5H7NO3",
    "Gly": "C2H3NO",
    "His": "C6H7N3O",
    "Leu": "C6H11NO",
    "Lys": "C6H12N2O",
    "Met": "C5H9NOS",
    "Phe": "C9H9NO",
    "Pro": "C5H7NO",
    "Ser": "C3H5NO2",
    "Thr": "C4H7NO2",
    "Trp": "C11H10N2O",
    "Tyr": "C9H9NO2",
    "Val": "C5H9NO",
}
"""Amino acids within a chain, isoleucine left out as the isomer of leucine."""


def central_metabolites() -> Iterator[tuple[str, str, str]]:
    """Yield name, formula and class of each metabolite written by hand."""
    for category, lines in _CENTRAL.items():
        for line in lines.strip().splitlines():
            formula, name = line.split(maxsplit=1)
            yield name, format_formula(parse_formula(formula)), category


def dipeptides() -> Iterator[tuple[str, str, str]]:
    """Yield name, formula and class of each composition of two amino acids; the order of the two is not told apart."""
    for pair in combinations_with_replacement(_RESIDUES, 2):
        formula = "".join(_RESIDUES[residue] for residue in pair) + "H2O"
        yield "-".join(pair), format_formula(parse_formula(formula)), "dipeptide"
