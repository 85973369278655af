"""Surnames by language, the frequent ones first. Common names, written down by hand; nobody is meant."""

SURNAMES: dict[str, tuple[str, ...]] = {
    language: tuple(names.split())
    for language, names in {
        "en": """
            Smith Johnson Williams Brown Jones Miller Davis Wilson Taylor Anderson Thomas Moore Martin
            Jackson Thompson White Clark Lewis Robinson Walker Hall Young Allen King Wright Scott Hill Green
            Adams Baker Nelson Carter Mitchell Roberts Campbell Phillips Evans Turner Parker Collins Edwards
            Stewart Morris Murphy Cook Rogers Morgan Cooper Peterson Reed Bailey Kelly Howard Ward Cox
            Richardson Wood Watson Brooks Bennett Gray James Hughes Price Myers Long Foster Sanders Ross
            Powell Sullivan Russell Jenkins Perry Butler Barnes Fisher Henderson Coleman Simmons Patterson
            Jordan Reynolds Hamilton Graham Wallace Woods Cole West Owens Harrison Gibson McDonald Ellis
            Marshall Murray Freeman Wells Webb Simpson Stevens Tucker Porter Hunter Hicks Crawford Boyd
            Mason Kennedy Warren Dixon Burns Gordon Shaw Holmes Rice Robertson Hunt Black Palmer Mills
            Nichols Grant Knight Ferguson Stone Dunn Perkins Hudson Spencer Gardner Payne Pierce Berry
            Matthews Arnold Wagner Willis Ray Watkins Olson Carroll Duncan Snyder Hart Cunningham Bradley
            Lane Andrews Harper Fox Riley Armstrong Carpenter Weaver Greene Lawrence Elliott Chapman Sims
            Austin Peters Kelley Franklin Lawson Fields Ryan Carr Lynch O'Brien O'Connor Byrne Walsh
            O'Sullivan Doyle McCarthy Gallagher Doherty O'Neill Quinn Moran Fitzgerald Nolan Brennan Burke
            Flynn Daly Maguire Whelan Keane Hogan Farrell Casey Reilly Duffy Clarke Wilkinson Chambers
            Barker Bates Dawson Fletcher Goddard Hewitt Ingram Jarvis Kirby Lambert Marsden Naylor Osborne
            Pearce Quigley Rowe Slater Thornton Underwood Vaughan Whitehead Yates Abbott Barlow Connolly
            Dobson Eaton Frost Gilbert Hargreaves Irving Jennings Kemp Leach Mercer Norris Oakley Pritchard
            Ramsey Sutton Todd Upton Vickers Wheeler Atkinson Blackwell Carlisle Dalton Ashworth Finch
            Garner Holloway Isaacs Joyner Kingsley Langley Maddox Newton Ormond Prescott Radcliffe Sheldon
            Townsend Ulrich Vance Whitaker Ackerman Bishop Corbett Draper Emerson Fuller Goodwin Hampton
            Ivey Jacobs Keller Lowe Montgomery Nash Oliver Page Randall Sharp Travers Usher Vincent Wilcox
            Barton Bowman Cameron Davidson Drummond Fraser Galloway Innes Kerr Lindsay MacDonald MacKenzie
            McGregor McLean Munro Ogilvie Paterson Rennie Sinclair Urquhart Buchanan Craig Douglas Forsyth
            Gillespie Hepburn Johnston Kilpatrick Lennox Maxwell Nicholson Pollock Rankin Sutherland Bevan
            Cadwallader Griffiths Howells Llewellyn Meredith Owen Probert Rees Tudor Bowen Gethin Harries
            Jenkin Lloyd Pugh Beaumont Bradshaw Chadwick Crowther Entwistle Fairclough Greenwood Hardcastle
            Holt Kershaw Lomax Ogden Rawlins Schofield Tattersall Whittaker Blythe Cavendish Fairfax Granger
            Hollis Larkin Penrose Sewell Stafford Tremaine Winslow Bancroft Beckett Brewer Calloway Dempsey
            Everett Faulkner Gentry Hobbs Ingalls Justice Knox Lockhart Merritt Nugent Overton Pickett
            Rollins Shelton Tate Vinson Waverly Wyatt York Zimmer
        """,
        "de": """
            Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Bauer Koch Richter
            Klein Wolf Schröder Neumann Schwarz Braun Zimmermann Hofmann Krüger Hartmann Lange Werner
            Schmitz Krause Meier Lehmann Schmid Schulze Maier Köhler Herrmann König Walter Mayer Huber
            Kaiser Fuchs Lang Scholz Möller Weiß Jung Hahn Schubert Vogel Friedrich Keller Günther Frank
            Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus
            Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf
            Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Voigt Sauer Arnold Pfeiffer Ernst
            Lindner Hübner Kramer Franz Wolff Beyer Kirchner Nowak Jansen Peters Heinz Ott Riedel Barth
            Steiner Egger Gruber Moser Leitner Hofer Eder Brunner Wimmer Reiter Aigner Zürcher Gerber Frei
            Baumgartner Wyss Zbinden Ammann Bühler Hauser Imhof Küng Lüthi Marti Niederhauser Rüegg Suter
            Thommen Uhlmann Vetter Wenger Ackermann Bachmann Conrad Dreyer Eberhardt Förster Geiger Hagen
            Iser Jahn Kessler Löffler Mertens Naumann Oswald Petersen Rademacher Sander Thiele Ullrich
            Vollmer Wendt
        """,
        "fr": """
            Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefebvre
            Michel Garnier Bertrand Roux Vincent Fournier Morel Girard André Lefèvre Mercier Dupont Lambert
            Bonnet François Martinez Legrand Faure Rousseau Blanc Guérin Muller Henry Roussel Nicolas Perrin
            Morin Mathieu Clément Gauthier Dumont Lopez Fontaine Chevalier Robin Masson Sanchez Gérard
            Nguyen Boyer Denis Lemaire Duval Joly Gautier Roger Roche Roy Noël Meyer Lucas Meunier Jean
            Perez Marchand Dufour Blanchard Marie Barbier Brun Dumas Brunet Schmitt Leroux Colas Arnaud
            Caron Aubert Rolland Vidal Picard Renard Fabre Gaillard Baron Philippe Benoît Leclerc Lacroix
            Olivier Renaud Lemoine Payet Bouvier Collet Prévost Maillard Tremblay Gagnon Côté Bouchard
            Pelletier Lavoie Bélanger Lévesque Peeters Claes Lejeune Delvaux Hubert Carpentier
        """,
        "es": """
            García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz
            Hernández Díaz Moreno Álvarez Muñoz Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez
            Ramos Gil Ramírez Serrano Blanco Molina Morales Suárez Ortega Delgado Castro Ortiz Rubio Marín
            Sanz Iglesias Núñez Medina Garrido Cortés Castillo Santos Lozano Guerrero Cano Prieto Méndez
            Cruz Calvo Gallego Vidal León Márquez Herrera Peña Flores Cabrera Campos Vega Fuentes Carrasco
            Díez Reyes Caballero Nieto Aguilar Pascual Santana Herrero Montero Lorenzo Hidalgo Giménez
            Ibáñez Ferrer Durán Santiago Benítez Vargas Mora Vicente Arias Carmona Crespo Román Pastor Soto
            Sáez Velasco Moya Soler Parra Esteban Bravo Gallardo Rojas Mendoza Guzmán Chávez Salazar Juárez
            Ríos Contreras Estrada Espinoza Villarreal Rivera Maldonado Acosta Cárdenas Ochoa Quintero
        """,
        "it": """
            Rossi Russo Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno Gallo Conti Costa
            Giordano Mancini Rizzo Lombardi Moretti Barbieri Fontana Santoro Mariani Rinaldi Caruso Ferrara
            Galli Martini Leone Longo Gentile Martinelli Vitale Lombardo Serra Coppola Marchetti Parisi
            Villa Conte Ferraro Ferri Fabbri Bianco Marini Grasso Valentini Messina Sala Gatti Pellegrini
            Palumbo Sanna Farina Rizzi Monti Cattaneo Morelli Amato Silvestri Mazza Testa Grassi Pellegrino
        """,
        "nl": """
            Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Dijkstra Smits
            Maas Verhoeven Koster Willems Postma Kuipers Schouten Hoekstra Prins Huisman Kuiper Postema
            Scholten Wouters Vermeulen Janssen Maes Jacobs Mertens Willemsen Goossens Claessens Aerts
            Hermans Wijnen Bosch Veenstra Kramer Molenaar Groen Timmermans Blom Driessen Evers Gerritsen
            Hofstra Kok Lubbers Nijland Oosterhuis Pronk Rietveld Snijders Terpstra
        """,
        "pl": """
            Nowak Kowalski Wiśniewski Wójcik Kowalczyk Kamiński Lewandowski Zieliński Szymański Woźniak
            Dąbrowski Kozłowski Jankowski Mazur Wojciechowski Kwiatkowski Krawczyk Kaczmarek Piotrowski
            Grabowski Zając Pawłowski Michalski Król Wieczorek Jabłoński Wróbel Nowakowski Majewski Stępień
            Malinowski Jaworski Adamczyk Dudek Nowicki Pawlak Górski Sikora Walczak Rutkowski
        """,
        "nordic": """
            Hansen Johansen Olsen Larsen Andersen Nielsen Jensen Pedersen Kristensen Johansson Andersson
            Karlsson Nilsson Eriksson Persson Svensson Gustafsson Pettersson Jonsson Lindberg Lindström
            Lindqvist Berg Bergström Lundberg Lundgren Sandberg Holm Holmberg Nyström Åberg Björk Sjöberg
            Söderberg Öberg Nordström Strand Dahl Haugen Hagen Solberg Bakken Moen Lie Østby Sørensen Møller
            Jørgensen Madsen Kjær Rasmussen Poulsen Thomsen Knudsen Mortensen Bech Korhonen Virtanen Mäkinen
            Nieminen Mäkelä Hämäläinen Laine Heikkinen Koskinen Järvinen Lehtonen Saarinen Salminen Niemi
        """,
        "pt": """
            Silva Santos Ferreira Pereira Oliveira Costa Rodrigues Martins Sousa Fernandes Gonçalves Gomes
            Lopes Marques Alves Almeida Ribeiro Pinto Carvalho Teixeira Moreira Correia Mendes Nunes Soares
            Vieira Monteiro Cardoso Rocha Neves Coelho Cunha Pires Ramos Reis Simões Antunes Matos Fonseca
            Araújo Barbosa Cavalcanti Nogueira Azevedo Magalhães
        """,
        "in": """
            Sharma Kumar Singh Patel Gupta Reddy Nair Iyer Verma Mehta Shah Joshi Rao Agarwal Desai Kapoor
            Malhotra Chopra Banerjee Chatterjee Mukherjee Das Ghosh Sen Bose Menon Pillai Krishnan Subramanian
            Venkatesan Raman Bhat Hegde Kulkarni Patil Jain Bansal Mishra Pandey Tiwari Yadav Chauhan Bhatia
            Arora Sethi Khanna Trivedi Naidu Chandra Srinivasan Thakur Saxena Dutta Kaur
        """,
        "zh": """
            Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Gao Luo Zheng Liang Xie
            Tang Deng Chan Wong Lim Tan Ng
        """,
        "world": """
            Kim Lee Park Choi Tanaka Suzuki Sato Yılmaz Kaya Demir Çelik Şahin Öztürk Aydın Arslan Nguyen Tran
            Pham Ahmed Khan Hassan Ali Hussain Rahman Mahmoud Ibrahim Haddad Nasser Novák Svoboda Dvořák Černý
            Procházka Horváth Kovács Szabó Nagy Tóth Ivanov Petrov Volkov Shevchenko Kovalenko Bondarenko
            Papadopoulos Georgiou Cohen Levy Popescu Ionescu Jovanović Marković Horvat Okafor Adeyemi Mensah
            Yamamoto Watanabe Nakamura Kobayashi
        """,
    }.items()
}
