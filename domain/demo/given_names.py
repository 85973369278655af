"""Given names by language and gender (f, m), the frequent ones first, and what friends make of them."""

GIVEN_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    language: {gender: tuple(names.split()) for gender, names in by_gender.items()}
    for language, by_gender in {
        "en": {
            "f": """
                Mary Jennifer Elizabeth Sarah Jessica Karen Susan Lisa Emily Michelle Amanda Margaret
                Rebecca Laura Katherine Rachel Christine Samantha Deborah Nicole Patricia Linda Barbara
                Nancy Victoria Olivia Charlotte Emma Hannah Megan Lauren Abigail Alexandra Amy Andrea Angela
                Ashley Brenda Catherine Cynthia Danielle Diana Dorothy Eleanor Erin Fiona Frances Gillian
                Grace Harriet Heather Helen Holly Imogen Jacqueline Jane Janet Jasmine Joanne Judith Julia
                Kathleen Kimberly Lucy Madeleine Melissa Natalie Pamela Philippa Rosemary Sandra Siobhan
                Stephanie Tamara Theresa Tracy Vanessa Wendy Yvonne Zoe
            """,
            "m": """
                James John Robert Michael William David Richard Thomas Christopher Daniel Matthew Andrew
                Joseph Anthony Steven Edward Timothy Jonathan Benjamin Nicholas Samuel Alexander Charles
                George Kevin Brian Mark Paul Jason Jeffrey Ryan Jacob Gary Eric Stephen Kenneth Gregory
                Patrick Peter Douglas Aaron Adam Albert Alan Arthur Bradley Brandon Callum Cameron Colin
                Craig Dennis Dominic Donald Duncan Eugene Frank Frederick Gavin Gerald Graham Harold Henry
                Hugh Ian Jack Jeremy Joshua Keith Kyle Lawrence Leonard Lewis Liam Logan Malcolm Martin
                Nathan Neil Oliver Oscar Owen Philip Raymond Ronald Russell Scott Sean Simon Stuart Terence
                Theodore Trevor Victor Vincent Walter
            """,
        },
        "de": {
            "f": """
                Anna Julia Sabine Katharina Susanne Andrea Petra Stefanie Nicole Claudia Christina Sandra
                Monika Martina Birgit Melanie Karin Heike Kerstin Lena Laura Lisa Sarah Johanna Franziska
                Ulrike Anja Silke Tanja Daniela Elisabeth Gabriele Angelika Barbara Bettina Brigitte
                Cornelia Dagmar Eva Friederike Greta Hannah Ines Jana Kirsten Leonie Magdalena Nadine Renate
                Sibylle Theresa Ursula Veronika Vanessa Käthe Bärbel
            """,
            "m": """
                Thomas Michael Andreas Stefan Peter Christian Markus Alexander Daniel Martin Frank Matthias
                Jan Jürgen Sebastian Klaus Wolfgang Florian Tobias Uwe Bernd Jens Ralf Dirk Philipp Oliver
                Sven Torsten Maximilian Felix Lukas Johannes Benjamin Dieter Günter Hans Heinz Holger Jochen
                Jörg Karsten Kai Lars Leon Manfred Moritz Norbert Patrick Paul Rainer Reinhard Rolf Rüdiger
                Sascha Simon Thorsten Timo Ulrich Volker Werner Götz Björn
            """,
        },
        "fr": {
            "f": """
                Marie Nathalie Isabelle Sylvie Catherine Sophie Julie Camille Céline Émilie Hélène Aurélie
                Sandrine Valérie Anne Claire Charlotte Chloé Léa Manon Mathilde Pauline Laure Élodie
                Virginie Caroline Delphine Véronique Florence Corinne Stéphanie Agnès Amélie Margaux Inès
                Juliette Louise Lucie Martine Monique Noémie Océane Solène Brigitte Clémence
            """,
            "m": """
                Jean Pierre Michel Philippe Nicolas Laurent Julien Thomas Alexandre Antoine Christophe
                Frédéric Olivier Pascal Stéphane Guillaume Sébastien Éric Maxime Vincent David François
                Jérôme Bruno Arnaud Benoît Cédric Didier Émile Fabien Gaël Gérard Grégory Hugo Jacques Léo
                Loïc Lucas Mathieu Patrice Quentin Rémi Romain Thibault Théo Xavier Yann Yves
            """,
        },
        "es": {
            "f": """
                María Carmen Ana Isabel Laura Cristina Marta Lucía Elena Patricia Raquel Paula Sara Pilar
                Rosa Beatriz Silvia Mercedes Teresa Rocío Alicia Mónica Sonia Sofía Andrea Irene Natalia
                Verónica Inés Concepción Dolores Esperanza Gloria Guadalupe Alejandra Gabriela Daniela
                Valeria Ximena Fernanda Mariana Nuria Olga Yolanda Victoria Eva
            """,
            "m": """
                José Antonio Manuel Francisco David Juan Javier Daniel Carlos Jesús Alejandro Miguel Rafael
                Pedro Ángel Pablo Sergio Fernando Jorge Luis Alberto Álvaro Adrián Diego Raúl Iván Rubén
                Enrique Óscar Ramón Vicente Andrés Joaquín Santiago Eduardo Víctor Roberto Jaime Mario
                Ignacio Gonzalo Tomás Ricardo Guillermo Héctor Emilio Rodrigo Nicolás
            """,
        },
        "it": {
            "f": """
                Giulia Francesca Chiara Sara Valentina Alessandra Federica Silvia Elisa Paola Laura Martina
                Giovanna Simona Roberta Barbara Claudia Elena Ilaria Lucia Margherita Michela Monica Nicoletta
                Raffaella Serena Stefania
            """,
            "m": """
                Marco Andrea Francesco Alessandro Luca Matteo Giuseppe Giovanni Davide Stefano Antonio Roberto
                Paolo Simone Federico Lorenzo Fabio Riccardo Claudio Daniele Emanuele Enrico Filippo Gabriele
                Giacomo Massimo Michele Nicolò Pietro Salvatore Vincenzo
            """,
        },
        "nl": {
            "f": """
                Johanna Maria Anneke Sanne Lotte Femke Marieke Ingrid Esther Saskia Wilma Anouk Eline Fleur
                Hanneke Ilse Janneke Karin Liesbeth Maaike Marloes Mirjam Nienke Petra Renée Roos Suzanne
            """,
            "m": """
                Jan Pieter Johannes Cornelis Willem Hendrik Jeroen Bas Sander Maarten Bart Dennis Erik Frank
                Gerrit Hans Joost Kees Koen Marcel Mark Martijn Niels Paul Ruben Sjoerd Stijn Thijs Tim Wouter
            """,
        },
        "pl": {
            "f": """
                Anna Katarzyna Małgorzata Agnieszka Barbara Ewa Magdalena Joanna Monika Aleksandra Dorota
                Justyna Karolina Natalia Paulina Beata Iwona Zofia
            """,
            "m": """
                Piotr Krzysztof Tomasz Paweł Andrzej Marcin Michał Jakub Łukasz Grzegorz Adam Mateusz Marek
                Wojciech Rafał Maciej Kamil Bartosz Sławomir Zbigniew
            """,
        },
        "nordic": {
            "f": """
                Anna Ingrid Kristin Marie Karin Elin Sofia Linnea Maja Hanna Astrid Birgitta Camilla Emma
                Frida Gunilla Helena Ida Johanna Karen Lene Liv Malin Mette Pernille Sigrid Silje Solveig
                Tuuli Ulla Åsa Bodil Päivi Hanne Trine
            """,
            "m": """
                Lars Erik Anders Johan Per Magnus Mikael Henrik Jonas Fredrik Mats Niklas Olav Bjørn Søren
                Jens Morten Rasmus Thomas Kristian Håkon Øyvind Gustav Axel Emil Oskar Sven Åke Göran Jörgen
                Mikko Juha Antti Ville Jukka Matti Einar Torbjørn
            """,
        },
        "pt": {
            "f": """
                Maria Ana Joana Inês Sofia Catarina Beatriz Mariana Rita Carla Patrícia Sandra Helena Fernanda
                Juliana Camila Letícia Larissa Débora Luísa Tatiana Vitória
            """,
            "m": """
                João José António Pedro Paulo Carlos Luís Manuel Rui Tiago Nuno Bruno Ricardo Miguel Rafael
                Gustavo Felipe Leonardo Thiago Marcelo Vítor Gonçalo Sérgio Fábio
            """,
        },
        "in": {
            "f": """
                Priya Anjali Deepika Divya Kavita Lakshmi Meera Neha Nisha Pooja Radha Rani Shreya Sita Sunita
                Swati Ananya Aditi Ritu Geeta Isha Kiran Preeti
            """,
            "m": """
                Raj Amit Rahul Vijay Sanjay Suresh Ramesh Anil Arjun Ashok Deepak Ganesh Karthik Manoj Naveen
                Nikhil Pradeep Prakash Rajesh Ravi Rohit Sandeep Sunil Vikram Vivek Aditya
            """,
        },
        "zh": {
            "f": "Wei Xiu Fang Na Jing Min Yan Xia Hui Lan Mei Ying Li Juan Xin Yu",
            "m": "Wei Jun Qiang Lei Jie Tao Ming Chao Bo Gang Hao Jian Peng Bin Feng Kai",
        },
        "world": {
            "f": """
                Fatima Aisha Leila Yuki Sakura Haruka Ayşe Zeynep Elif Olga Irina Tatiana Svetlana Ji-woo
                Min-ji Linh Hương Eszter Zsófia Jana Lucie Tereza Kateřina Jelena Milica Eleni Noa Yael
                Amara Chidinma Nour Samira Ioana Oksana
            """,
            "m": """
                Mohamed Ahmed Omar Ali Hassan Hiroshi Kenji Takashi Mehmet Mustafa Emre Sergei Dmitri Ivan
                Min-jun Ji-hoon Minh Tuấn László István Petr Jiří Tomáš Marko Nikola Georgios Yannis David
                Kofi Chinedu Tariq Youssef Andrei Bohdan
            """,
        },
    }.items()
}

# What a second source writes for the same person; the first in each row is the name in full.
NICKNAMES: dict[str, tuple[str, ...]] = {
    names[0]: tuple(names[1:])
    for names in (
        row.split()
        for row in """
            Abigail Abby
            Albert Al Bert
            Alejandro Alex
            Aleksandra Ola
            Alessandra Ale
            Alessandro Sandro Ale
            Alexander Alex Sasha
            Alexandra Alex Sandra
            Alexandre Alex
            Amanda Mandy
            Andreas Andi
            Andrew Andy Drew
            Anthony Tony
            Antonio Toni Tonio
            Benjamin Ben
            Bernd Bernie
            Bradley Brad
            Catherine Cathy Kate
            Christina Tina Chris
            Christine Chris
            Christopher Chris
            Concepción Concha
            Cornelis Kees
            Daniel Dan Danny
            David Dave
            Deborah Debbie Deb
            Dolores Lola
            Donald Don
            Douglas Doug
            Edward Ed Ted
            Eduardo Edu
            Eleanor Ellie
            Elisabeth Lisa Elli
            Elizabeth Liz Beth Betty
            Enrique Quique
            Federico Fede
            Florian Flo
            Francesca Franca
            Francisco Paco Fran
            Franziska Franzi
            Frederick Fred
            Frédéric Fred
            Fernando Nando
            Gabriele Gabi
            George Georgie
            Gerald Gerry
            Giovanni Gianni
            Giuseppe Beppe
            Gregory Greg
            Guadalupe Lupe
            Guillermo Memo
            Gustav Gus
            Hendrik Henk
            Henry Harry Hank
            Ignacio Nacho
            Isabel Isa
            Jacob Jake
            Jacqueline Jackie
            James Jim Jimmy
            Jennifer Jen Jenny
            Jeffrey Jeff
            Jeremy Jerry
            Jesús Chus
            Johanna Hanna
            Johannes Hannes
            John Johnny Jack
            Jonathan Jon
            José Pepe
            Joseph Joe
            Joshua Josh
            Judith Judy
            Katarzyna Kasia
            Katharina Kathi
            Katherine Kate Kathy Katie
            Kathleen Kathy
            Kenneth Ken
            Kimberly Kim
            Krzysztof Krzysiek
            Lawrence Larry
            Leonard Len Leo
            Magdalena Lena
            Małgorzata Gosia
            Manuel Manolo
            Margaret Maggie Peggy
            Matthew Matt
            Matthias Matze
            Maximilian Max
            Maxime Max
            Melissa Mel
            Mercedes Merche
            Michael Mike Mick
            Natalie Nat
            Nathan Nate
            Nicholas Nick
            Nicolas Nico
            Oliver Ollie
            Pamela Pam
            Patricia Pat Trish
            Patrick Paddy Pat
            Peter Pete
            Philip Phil
            Philipp Phil
            Pieter Piet
            Rafael Rafa
            Raymond Ray
            Rebecca Becky
            Richard Rick Dick Rich
            Robert Bob Rob Bobby
            Roberto Beto
            Ronald Ron
            Salvatore Totò
            Samantha Sam
            Samuel Sam
            Santiago Santi
            Sebastian Basti
            Stefanie Steffi
            Stephanie Steph
            Stephen Steve
            Steven Steve
            Susan Sue
            Susanne Susi
            Terence Terry
            Theodore Ted Theo
            Theresa Terry Tess
            Thomas Tom
            Timothy Tim
            Tobias Tobi
            Tomasz Tomek
            Ulrich Uli
            Victoria Vicky
            Vincenzo Enzo
            Walter Walt
            Willem Wim
            William Bill Will Billy
            Wolfgang Wolf
        """.strip().splitlines()
    )
}
